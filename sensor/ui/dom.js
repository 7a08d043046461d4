// Building elements. Text only ever becomes text: nothing in this page turns a string into markup.

const SVG = "http://www.w3.org/2000/svg";

function put(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

function dress(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "data") for (const [key, text] of Object.entries(value)) node.dataset[key] = text;
    // An address that leads out of this page or runs something is never built from data.
    else if (name === "href" && !/^(#|\/[^/])/.test(value)) throw new Error(`no address for a link: ${value}`);
    else if (/^on/i.test(name) || name === "style" || name === "src") throw new Error(`no attribute: ${name}`);
    else if (["value", "checked", "selected", "disabled", "hidden", "open", "indeterminate"].includes(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  return node;
}

/** An element: `el("p", {class: "quiet"}, "text", otherElement)`. */
export const el = (tag, props = {}, ...children) => put(dress(document.createElement(tag), props), children);

/** An SVG element. */
export const svg = (tag, props = {}, ...children) => put(dress(document.createElementNS(SVG, tag), props), children);

/** A button that does `action`. */
export const button = (text, action, props = {}) => el("button", { type: "button", ...props, on: { click: action } }, text);

/** A link inside this page. */
export const link = (href, text, props = {}) => el("a", { href, ...props }, text);

/** Names beside values. Pairs without a value are left out. */
export function facts(pairs) {
  const rows = pairs.filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== "");
  return el("dl", { class: "facts" }, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** A titled part of a view. */
export const panel = (title, ...content) =>
  el("section", { class: "panel" }, title && el("h2", {}, title), content);

/** What there is to say when there is nothing. */
export const empty = (text) => el("p", { class: "empty" }, text);
