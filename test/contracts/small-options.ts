import type { TextSystem } from '../../src/systems/index.ts'

/** Smallest sizes at which every part of a system still does something; what they are called is the system's own matter. */
const small = {
  context: 32,
  width: 32,
  layers: 2,
  heads: 4,
  hidden: 48,
  keyValueHeads: 2,
  headWidth: 8,
  window: 7,
  globalEvery: 2,
  unplacedEvery: 2,
}

/** A system's tiny preset, made smaller. */
export function smallOptions({ presets }: TextSystem, vocabularySize: number): Readonly<Record<string, unknown>> {
  const preset = presets.tiny as Readonly<Record<string, unknown>>
  const sizes = Object.fromEntries(Object.entries(small).filter(([name]) => name in preset))
  return { ...preset, ...sizes, vocabularySize }
}
