/**
 * Owns the talk with the page around the frame.
 * Refuses every message that is not from that page's window at that page's origin.
 * Invariant: nothing is posted to an origin other than the one that embeds the frame.
 */

/** The embedding page's origin, or null when the frame is a page of its own. */
function embeddingOrigin(declared) {
  if (window.parent === window || !declared) return null;
  // Where the browser says who embeds us, its word counts; the address only repeats it.
  const told = window.location.ancestorOrigins?.[0];
  return told === undefined || told === declared ? declared : null;
}

/** `handlers`: {type: (value) => …}. Gives {embedded, tell(type, value)}. */
export function connectHost(declared, handlers) {
  const origin = embeddingOrigin(declared);
  const tell = (type, value) => {
    if (origin) window.parent.postMessage({ frontdesk: 1, type, value }, origin);
  };
  window.addEventListener('message', ({ origin: from, source, data }) => {
    if (!origin || from !== origin || source !== window.parent || data?.frontdesk !== 1) return;
    if (Object.hasOwn(handlers, data.type)) handlers[data.type](data.value);
  });
  return { embedded: origin !== null, tell };
}
