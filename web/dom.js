// Elements, from texts alone: nothing that a record says is ever read as HTML.

/** Characters that can't be seen, or turn the direction of what follows. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]|\p{Surrogate}/gu;

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found;
}

/** @param {string} id @returns {HTMLInputElement} */
export function field(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/**
 * An element with what is in it.
 * @param {string} tag @param {{[name: string]: string | (() => void)}} attributes `onclick` is called.
 * @param {...(Node | string)} children @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A text of somebody else's, its direction kept to itself and what can't be seen shown by a mark. @param {string} text */
export function foreignText(text) {
  const box = make("bdi", { dir: "auto" });
  let from = 0;
  for (const found of text.matchAll(UNSEEN)) {
    const code = (found[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    box.append(text.slice(from, found.index), make("span", { class: "mark" }, `U+${code}`));
    from = found.index + found[0].length;
  }
  box.append(text.slice(from));
  return box;
}

/** @param {string} text @param {number} most */
export function cut(text, most = 160) {
  const chars = [...text.slice(0, 2 * most)];
  return chars.length > most || text.length > 2 * most ? chars.slice(0, most).join("") + "\u2026" : text;
}

/** A button that reads as a word. @param {string | Node} label @param {() => void} onclick */
export function wordButton(label, onclick) {
  return make("button", { type: "button", class: "word", onclick }, label);
}

/** @param {HTMLElement} list @param {[string, string | Node][]} facts */
export function showFacts(list, facts) {
  list.replaceChildren(...facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

/** Lets the reader keep a file. @param {string} name @param {string} text @param {string} type */
export function saveFile(name, text, type = "application/json") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
