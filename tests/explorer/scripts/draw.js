return { all: data.map(({ screen, shown, shape, frames, onset }) => {
  const drawn = explorer.stimulus(screen, shown), size = shape[1] * shape[2], out = new Float32Array(size);
  let away = drawn.nFrames === shape[0] && Math.abs(drawn.onsetS - onset) < 1e-12 ? 0 : Infinity;
  for (let t = 0; t < shape[0]; t++) {
    drawn.frame(t, out);
    for (let i = 0; i < size; i++) {
      const here = Math.abs(out[i] - frames[t * size + i]);
      if (!(here <= away)) away = here;
    }
  }
  return [shown.kind, away];
}) };
