(async () => { ACTION })()
  .catch((error) => ({ failed: String(error.stack) }))
  .then((found) => {
    const said = document.createElement("pre");
    said.id = "found";
    said.hidden = true;
    said.textContent = JSON.stringify({ ...found, faults: window.faults });
    document.body.append(said);
  });
