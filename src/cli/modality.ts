import type { Command } from 'commander'
import { OptionError } from '../base/errors.ts'

/** What a model makes. */
export type Modality = 'text' | 'pictures'

/** Names of the options, as commander has them, that one kind of model takes alone; a command's other options are for both. */
export type OwnOptions = Readonly<Record<Modality, readonly string[]>>

/** What was said on the command line, and whom its options are for. */
export interface GivenOptions {
  readonly given: readonly string[]
  readonly own: OwnOptions
}

/** The names of the options that `add` adds to a command. */
export function optionsAddedBy(command: Command, add: (command: Command) => void): string[] {
  const before = command.options.length
  add(command)
  return command.options.slice(before).map((option) => option.attributeName())
}

/** `--top-k` of `topK`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** Throws OptionError when one of the options given is for models of the other kind. */
export function refuseForeign(given: readonly string[], own: OwnOptions, modality: Modality, what: string): void {
  const other = modality === 'text' ? 'pictures' : 'text'
  const foreign = given.find((name) => own[other].includes(name))
  if (foreign === undefined) return
  throw new OptionError(`${flagOf(foreign)} is for ${other}, and ${what} is of ${modality}`, {
    expected: `of options that only ${modality} have: ${[...new Set(own[modality])].map(flagOf).join(', ')}`,
  })
}

/** The options that were given on the command line, rather than left at their defaults. */
export function givenOptions(command: Command): string[] {
  return command.options.map((option) => option.attributeName()).filter((name) => command.getOptionValueSource(name) === 'cli')
}
