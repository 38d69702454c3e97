// Movies that the page carries: 8-bit codes, compressed, with the luminance of each code.

/** Frames of a movie {shape, z: base64 of zlib, levels, background} as an array of luminance (Y X) on another background. */
export async function framesOf(movie, background) {
  movie.frames ??= inflated(movie, background);
  return movie.frames;
}

async function inflated({ shape: [count, rows, columns], z, levels, background: of }, background) {
  const packed = Uint8Array.from(atob(z), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const codes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = rows * columns;
  return Array.from({ length: count }, (_, t) => Float32Array.from(codes.subarray(t * size, (t + 1) * size), (code) => levels[code] - of + background));
}
