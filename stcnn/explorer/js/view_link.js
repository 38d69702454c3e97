// The view as a link: everything that was chosen, after the # of the address.

/** Return the view in an address, or null where there is none that can be read. */
export function viewIn(hash) {
  try {
    const found = JSON.parse(decodeURIComponent(hash.replace(/^#/, "")));
    return found && typeof found === "object" && !Array.isArray(found) ? found : null;
  } catch {
    return null;
  }
}

/** Return the address of a view. */
export const linkTo = (view) => `#${encodeURIComponent(JSON.stringify(view))}`;
