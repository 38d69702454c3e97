return {
  view: explorer.view,
  header: [...document.querySelectorAll("#peaks thead th")].map((each) => each.textContent),
  pressed: [...document.querySelectorAll("[aria-pressed=true]")].map((each) => each.getAttribute("aria-label")),
};
