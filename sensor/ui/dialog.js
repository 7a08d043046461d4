// Dialogs: the browser's own, so that focus stays inside and Escape closes them.
import { button, el } from "./dom.js";

let titles = 0;

/** Opens a dialog with a form. `submit` gets the form's values; it may throw to say what is wrong. Gives false when called off. */
export function open(title, content, { yes = "OK", no = "Cancel", danger = false, submit = () => true } = {}) {
  const id = `dialog-${++titles}`;
  const wrong = el("p", { class: "wrong", role: "alert" });
  return new Promise((done) => {
    const form = el("form", { method: "dialog" },
      el("h2", { id }, title), content, wrong,
      el("div", { class: "row end" },
        no && button(no, () => dialog.close()),
        el("button", { type: "submit", class: danger ? "danger" : "primary" }, yes)));
    const dialog = el("dialog", { "aria-labelledby": id }, form);
    let answer = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (form.dataset.busy) return;
      form.dataset.busy = "yes";
      try {
        answer = await submit(Object.fromEntries(new FormData(form)));
        dialog.close();
      } catch (error) {
        wrong.textContent = error.message;
      } finally {
        delete form.dataset.busy;
      }
    });
    const before = document.activeElement;
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      done(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    const first = dialog.querySelector("[data-first], input:not([type=checkbox]), select");
    (first ?? dialog.querySelector("button[type=submit]")).focus();
    first?.select?.();
  });
}

/** Asks before something that matters. */
export const confirm = (title, text, yes, submit) => open(title, el("p", {}, text), { yes, danger: true, submit });
