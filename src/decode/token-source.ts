import type { GeneratedToken, GenerateOptions } from './continuation.ts'

/** Something that generates tokens by itself, as an engine does for many requests at once. */
export interface TokenSource<Options extends GenerateOptions = GenerateOptions> {
  /** Every option that `generate` accepts. */
  readonly optionNames: Readonly<Record<keyof Options, true>>
  generate(prompt: ArrayLike<number>, options?: Options): AsyncGenerator<GeneratedToken, void, undefined>
}
