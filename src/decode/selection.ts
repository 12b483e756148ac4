/**
 * Ids of the shortest list of tokens, taken by falling key and rising id, whose weights add up to `need` (all ids when they never
 * do), in rising order. `need` is above 0, keys are not NaN, weights (default: 1 each) not negative.
 *
 * A radix select: four passes, one per byte of the key from the top; each finds the bucket in which the sum crosses `need` and goes
 * on with that bucket alone. Linear in the vocabulary whatever the keys are, and no sort.
 */
export function leadingIds(keys: Float32Array, need: number, weights?: Float64Array): Int32Array {
  const order = sortableBits(keys)
  let candidates = allIds(keys.length)
  let taken = 0
  let border = 0
  for (const shift of [24, 16, 8, 0]) {
    const sums = bucketSums(order, candidates, shift, weights)
    let digit = 255
    while (digit > 0 && taken + sums[digit]! < need) taken += sums[digit--]!
    candidates = bucketMembers(order, candidates, shift, digit)
    border += digit * 2 ** shift
  }
  // What is left has one key: the ties at the border.
  let ties = 0
  while (ties < candidates.length && taken < need) {
    taken += weights === undefined ? 1 : weights[candidates[ties]!]!
    ties++
  }
  return idsAbove(order, border, candidates.subarray(0, ties))
}

/** Ids of the `count` largest logits by falling logit, ties by rising id. */
export function largestIds(logits: Float32Array, count: number): Int32Array {
  return leadingIds(logits, count).sort((a, b) => logits[b]! - logits[a]! || a - b)
}

/** A copy in which all tokens but these are excluded. */
export function keepOnly(logits: Float32Array, ids: Iterable<number>): Float32Array {
  const kept = new Float32Array(logits.length).fill(Number.NEGATIVE_INFINITY)
  for (const id of ids) kept[id] = logits[id]!
  return kept
}

/** Unsigned integers in the order of the floats; −0 counts as 0. */
function sortableBits(keys: Float32Array): Uint32Array {
  const bits = new Uint32Array(keys.length)
  const floats = new Float32Array(bits.buffer)
  for (let id = 0; id < keys.length; id++) {
    floats[id] = keys[id]! + 0
    bits[id] = bits[id]! >= 0x80000000 ? ~bits[id]! : bits[id]! | 0x80000000
  }
  return bits
}

function allIds(count: number): Int32Array<ArrayBuffer> {
  const ids = new Int32Array(count)
  for (let id = 0; id < count; id++) ids[id] = id
  return ids
}

function bucketSums(order: Uint32Array, ids: Int32Array, shift: number, weights?: Float64Array): Float64Array {
  const sums = new Float64Array(256)
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    const digit = (order[id]! >>> shift) & 255
    sums[digit] = sums[digit]! + (weights === undefined ? 1 : weights[id]!)
  }
  return sums
}

function bucketMembers(order: Uint32Array, ids: Int32Array, shift: number, digit: number): Int32Array<ArrayBuffer> {
  const members = new Int32Array(ids.length)
  let count = 0
  for (let i = 0; i < ids.length; i++) {
    if (((order[ids[i]!]! >>> shift) & 255) === digit) members[count++] = ids[i]!
  }
  return members.slice(0, count)
}

/** Ids above the border together with the ties (rising), in rising order. */
function idsAbove(order: Uint32Array, border: number, ties: Int32Array): Int32Array {
  const ids = new Int32Array(order.length)
  let count = 0
  let tie = 0
  for (let id = 0; id < order.length; id++) {
    if (id === ties[tie]) tie++
    else if (order[id]! <= border) continue
    ids[count++] = id
  }
  return ids.slice(0, count)
}
