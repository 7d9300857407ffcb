// Where the bytes of a chain come from: a file that the reader chose or the page has in it, or the server of the page.

/** @typedef {{size: number, stream: (signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>, slice: (from: number, to: number) => Promise<Uint8Array>}} Source */

/** @param {Blob} blob @returns {Source} */
export function blobSource(blob) {
  return {
    size: blob.size,
    stream: async () => blob.stream(),
    slice: async (from, to) => new Uint8Array(await blob.slice(from, to).arrayBuffer()),
  };
}

/**
 * The beginning of a stream: a chain may have grown since the server told of its size.
 * @param {ReadableStream<Uint8Array>} stream @param {number} size @returns {ReadableStream<Uint8Array>}
 */
function firstBytes(stream, size) {
  let left = size;
  return stream.pipeThrough(new TransformStream({
    transform(/** @type {Uint8Array} */ piece, control) {
      control.enqueue(piece.subarray(0, left));
      left -= Math.min(left, piece.length);
      if (left === 0) control.terminate();
    },
  }));
}

/**
 * A report that a server shows, under `/r/T`.
 * @param {string} base The address of the report. @param {number} size Bytes that the server tells of. @returns {Source}
 */
export function servedSource(base, size) {
  const ask = async (/** @type {RequestInit} */ init) => {
    const answer = await fetch(`${base}/chain`, { cache: "no-cache", credentials: "same-origin", ...init });
    if (!answer.ok || !answer.body) throw new Error(`the server answers ${answer.status} for the chain`);
    return answer;
  };
  return {
    size,
    stream: async (signal) => {
      const { body } = await ask({ signal });
      return firstBytes(/** @type {ReadableStream<Uint8Array>} */ (body), size);
    },
    slice: async (from, to) => {
      const answer = await ask({ headers: { range: `bytes=${from}-${to - 1}` } });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      // A server may pass over the range.
      return answer.status === 206 ? bytes : bytes.slice(from, to);
    },
  };
}

/** @param {Blob | {base: string, size: number}} of @returns {Source} */
export function sourceOf(of) {
  return of instanceof Blob ? blobSource(of) : servedSource(of.base, of.size);
}
