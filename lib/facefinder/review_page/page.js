// What a page does besides its forms: one key for each button, choosing and dragging faces, a sign of life.
"use strict";

const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];

// Keys: a button's own letter presses it, but not while somebody writes, or holds another key down.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("select, textarea, input:not([type=checkbox])")) return;
  const button = one(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button) {
    event.preventDefault();
    button.click();
  }
});

// A form is sent once, however often its button is pressed.
addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => all("form").forEach((form) => delete form.dataset.sent));

// A sign of life, so that the program ends some minutes after this page was closed.
async function alive() {
  try {
    await fetch("/alive", { method: "POST" });
    one(".gone")?.remove();
  } catch {
    if (one(".gone")) return;
    const notice = Object.assign(document.createElement("p"), {
      className: "notice gone",
      textContent: document.body.dataset.gone,
    });
    notice.setAttribute("role", "alert");
    one("main").prepend(notice);
  }
}
if (document.body.dataset.gone) setInterval(alive, 20000);

// The pictures of the next question are made while this one is being looked at.
for (const source of (one("#ahead")?.dataset.pictures ?? "").split(" ").filter(Boolean)) new Image().src = source;

// Choosing faces.
const move = one("#move");
const faces = move ? [...move.querySelectorAll("input[name=face]")] : [];
const chosen = () => faces.filter((face) => face.checked);

function count() {
  const number = chosen().length;
  const text = one("#selected .count");
  one("#selected").hidden = number === 0;
  text.textContent = number === 1 ? text.dataset.one : text.dataset.many.replace("#", number);
}

function target() {
  one("#to-chosen").value = one("#to").value;
}

if (move) {
  let last = null;
  move.addEventListener("click", (event) => {
    const face = event.target.closest("input[name=face]");
    if (!face) return;
    if (event.shiftKey && last) {
      const [from, to] = [faces.indexOf(last), faces.indexOf(face)].sort((a, b) => a - b);
      for (const between of faces.slice(from, to + 1)) between.checked = face.checked;
    }
    last = face;
    count();
  });
  move.addEventListener("keydown", (event) => {
    const at = faces.indexOf(event.target);
    const row = faces.filter((face) => face.closest("li").offsetTop === faces[0].closest("li").offsetTop).length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row }[event.key];
    if (at < 0 || !step) return;
    event.preventDefault();
    faces[Math.min(Math.max(at + step, 0), faces.length - 1)].focus();
  });
  // Of all faces one is reached by Tab, the others from there by arrow keys.
  faces.forEach((face, place) => (face.tabIndex = place ? -1 : 0));
  move.addEventListener("focusin", (event) => {
    if (faces.includes(event.target)) for (const face of faces) face.tabIndex = face === event.target ? 0 : -1;
  });
  one("#none").addEventListener("click", () => {
    for (const face of faces) face.checked = false;
    count();
  });
  one("#to").addEventListener("change", target);
  addEventListener("pageshow", () => { count(); target(); });
}

// Dragging with a mouse: faces onto a person, or one person onto another. By keyboard and touch the forms do the same.
let drag = null;

const under = (event) => document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-target]");

function begin(event) {
  const source = event.target.closest("label.face, .card");
  if (event.pointerType !== "mouse" || event.button !== 0 || !source || event.target.closest(".ask")) return;
  drag = { source, x: event.clientX, y: event.clientY, ghost: null };
}

function carry(event) {
  if (!drag) return;
  if (!drag.ghost) {
    if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 8) return;
    drag.ghost = drag.source.querySelector("img").cloneNode();
    drag.ghost.className = "ghost";
    document.body.append(drag.ghost);
    document.body.classList.add("dragging");
  }
  event.preventDefault();
  drag.ghost.style.translate = `${event.clientX}px ${event.clientY}px`;
  for (const other of all(".over")) other.classList.remove("over");
  const over = under(event);
  if (over && over !== drag.source) over.classList.add("over");
}

function drop(event) {
  const { source, ghost } = drag ?? {};
  drag = null;
  if (!ghost) return;
  ghost.remove();
  document.body.classList.remove("dragging");
  // The click that ends a drag chooses nothing and opens nothing.
  const swallow = (click) => { click.preventDefault(); click.stopPropagation(); };
  addEventListener("click", swallow, true);
  setTimeout(() => removeEventListener("click", swallow, true), 0);
  const goal = under(event);
  if (!goal || goal === source) return;
  if (source.matches(".card")) {
    const merge = one("#merge");
    merge.action = `/person/${source.dataset.target}/merge`;
    merge.elements.to.value = goal.dataset.target;
    merge.requestSubmit();
  } else {
    const face = source.querySelector("input");
    if (!face.checked) for (const other of faces) other.checked = other === face;
    one("#to-chosen").value = goal.dataset.target;
    move.requestSubmit(one("#to-chosen"));
  }
}

addEventListener("pointerdown", begin);
addEventListener("pointermove", carry);
addEventListener("pointerup", drop);
addEventListener("pointercancel", () => { drag?.ghost?.remove(); drag = null; document.body.classList.remove("dragging"); });
