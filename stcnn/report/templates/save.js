"use strict";
(() => {
  // Every figure can be saved, its colours as they are shown.
  document.querySelectorAll("[data-picture]").forEach((place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "save";
    button.textContent = "save as SVG";
    button.setAttribute("aria-label", `save ${place.dataset.picture} as SVG`);
    button.addEventListener("click", () => {
      const style = getComputedStyle(document.documentElement);
      const drawn = new XMLSerializer().serializeToString(place.querySelector("svg"))
        .replace(/var\((--[a-z]+)\)/g, (_, name) => style.getPropertyValue(name));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([drawn], { type: "image/svg+xml" }));
      link.download = `${place.dataset.picture}.svg`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
    place.after(button);
  });
})();
