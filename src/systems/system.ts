import type { Placement } from '../base/placement.ts'
import type { CategoricalHead } from '../heads/index.ts'
import type { Transformer } from '../nn/index.ts'

/** The trainable part of a text system. Field names are the first parts of checkpoint keys. */
export interface LanguageModel {
  readonly model: Transformer
  readonly lm_head: CategoricalHead
}

/** A published method for text, as data: how its options are read and its model built. */
export interface TextSystem<Options = unknown> {
  readonly kind: 'text'
  /** Equals the file's name. */
  readonly id: string
  /** The paper or report. */
  readonly source: string
  /** `model_type` values of config.json files that this system reads. */
  readonly modelTypes: readonly string[]
  /** Whether a config.json without `model_type` is of this system. */
  readonly recognizes?: (config: unknown) => boolean
  readonly presets: Readonly<Record<string, Omit<Options, 'vocabularySize'>>>
  /** The options in a parsed config.json. Throws MismatchError or OptionError on what the system does not support. */
  readConfig(config: unknown): Options
  /** A config.json that `readConfig` reads back. */
  writeConfig(options: Options): Readonly<Record<string, unknown>>
  build(options: Options): LanguageModel
  /** What variables get of a public checkpoint's tensor; none when it is not needed. Default: the variable of its name gets all. */
  place?(key: string, options: Options): readonly Placement[]
}
