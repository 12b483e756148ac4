import { InvalidArgumentError } from 'commander'

/** Of an option that may be given several times. */
export function collectText(text: string, before: readonly string[] = []): string[] {
  if (text === '') throw new InvalidArgumentError('Expected a text that is not empty.')
  return [...before, text]
}
