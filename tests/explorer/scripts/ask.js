const worst = { voltage: [0, 0], calcium: [0, 0] };
const all = data.map((each, m) => {
  const model = explorer.models[m], size = model.told.movie_px[0] * model.told.movie_px[1];
  const largest = { voltage: [0, 0], calcium: [0, 0] };
  for (const clip of each) {
    model.edit({});
    model.start();
    for (let t = 0; t * size < clip.frames.length; t++) {
      model.step(clip.frames.subarray(t * size, (t + 1) * size));
      for (const kind of ["voltage", "calcium"]) model[kind].forEach((value, n) => {
        const right = clip[kind][t * model[kind].length + n];
        if (!(Math.abs(value - right) <= largest[kind][0])) largest[kind][0] = Math.abs(value - right);
        largest[kind][1] = Math.max(largest[kind][1], Math.abs(right));
      });
    }
  }
  return Math.max(...Object.values(largest).map(([away, most]) => away / most));
});
return { all };
