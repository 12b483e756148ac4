/** Share of all codes that values use; several ids of one value are one code together. Ids `[value, id]`. */
export function codeUse(ids: Int32Array, vocabulary: readonly number[]): number {
  const used = new Set<number>()
  for (let at = 0; at < ids.length; at += vocabulary.length)
    used.add(vocabulary.reduce((code, size, i) => code * size + ids[at + i]!, 0))
  return used.size / vocabulary.reduce((all, size) => all * size, 1)
}
