// Logging in with a token.
import { api } from "../api.js";
import { el } from "../dom.js";

/** The form; calls `inside` once the server has set its cookie. */
export function logIn(inside) {
  const wrong = el("p", { class: "wrong", role: "alert" });
  const token = el("input", { id: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const submit = async (event) => {
    event.preventDefault();
    wrong.textContent = "";
    try {
      await api.logIn(token.value.trim());
      token.value = "";
      await inside();
    } catch (error) {
      wrong.textContent = error.message;
    }
  };
  return el("form", { class: "login panel", on: { submit } },
    el("h1", {}, "Taphound"),
    el("label", { class: "field", for: "token" }, el("span", {}, "Token")), token,
    el("p", { class: "quiet" }, el("code", {}, "taphound token create NAME --role analyst"), " prints one, once."),
    wrong, el("button", { type: "submit", class: "primary" }, "Log in"));
}
