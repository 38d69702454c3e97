// Arrays as the page carries them: {"f32": base64} of little-endian numbers, anywhere in the data.

/** Return the data with every packed array unpacked. */
export function unpacked(value) {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.f32 === "string") return new Float32Array(bytes(value.f32).buffer);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, unpacked(each)]));
}

function bytes(text) {
  const found = atob(text);
  const array = new Uint8Array(found.length);
  for (let i = 0; i < found.length; i++) array[i] = found.charCodeAt(i);
  return array;
}
