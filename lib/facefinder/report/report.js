// What the page does besides showing: the slider, and arrow keys among the photos. Without it all else is there.
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
// A page of the groups has no slider.
const form = document.querySelector(".slider");
if (form) {
  const slider = document.getElementById("threshold");
  const takes = document.getElementById("takes");
  const start = Number(slider.defaultValue); // a browser that goes back may have kept another value

  const people = all(".person").map((element) => ({
    here: element.querySelector(".here"),
    further: element.querySelector(".further"),
    cards: all(".card", element).map((card) => ({
      element: card,
      photo: card.dataset.photo,
      from: "from" in card.dataset ? Number(card.dataset.from) : Infinity,
    })),
  }));

  function say(element, count, threshold) {
    const text = count === 1 ? element.dataset.one : element.dataset.many;
    element.textContent = text.replace("{count}", count).replace("{threshold}", threshold);
  }

  function show() {
    const threshold = Number(slider.value);
    const trying = threshold !== start;
    document.body.classList.toggle("trying", trying);
    form.querySelector("button").disabled = !trying;
    const photos = new Set();
    for (const { here, further, cards } of people) {
      let count = 0;
      for (const card of cards) {
        const taken = card.from <= threshold;
        count += taken;
        if (taken) photos.add(card.photo);
        if (taken !== card.taken) card.element.classList.toggle("taken", taken);
        card.taken = taken;
      }
      say(here, count, threshold);
      here.hidden = !trying;
      if (further && trying && further.querySelector(".taken")) further.open = true;
    }
    if (trying) say(takes, photos.size, threshold.toFixed(slider.dataset.decimals));
    else takes.textContent = takes.dataset.start;
    slider.setAttribute("aria-valuetext", takes.textContent);
  }

  let waiting = 0;
  slider.addEventListener("input", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(show);
  });
  form.addEventListener("reset", () => setTimeout(() => {
    for (const { further } of people) if (further) further.open = false;
    show();
    slider.focus();
  }));
  addEventListener("pageshow", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
}

// Of each sheet one photo is reached by Tab, the others by arrow keys.
for (const sheet of all(".sheet")) {
  const links = all("a", sheet);
  links.forEach((link, place) => (link.tabIndex = place ? -1 : 0));
  sheet.addEventListener("keydown", (event) => {
    const columns = getComputedStyle(sheet).gridTemplateColumns.split(" ").length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -links.length, End: links.length };
    const from = links.indexOf(event.target);
    if (!(event.key in steps) || from < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const to = Math.max(0, Math.min(links.length - 1, from + steps[event.key]));
    links[from].tabIndex = -1;
    links[to].tabIndex = 0;
    links[to].focus();
  });
}
