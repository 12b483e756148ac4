import { type CategoricalHeadOptions, categoricalHead, tiedHead } from '../../heads/index.ts'
import { Transformer, type TransformerOptions } from '../../nn/index.ts'
import type { LanguageModel } from '../system.ts'

export interface HeadChoice extends Pick<CategoricalHeadOptions, 'softCap' | 'bias'> {
  readonly head: 'tied' | 'separate'
}

class Network implements LanguageModel {
  readonly model
  readonly lm_head

  constructor(options: TransformerOptions, { head, bias, softCap }: HeadChoice) {
    const cap = softCap === undefined ? {} : { softCap }
    this.model = new Transformer(options)
    const separate = () => categoricalHead(options.width, options.vocabularySize, { ...cap, ...(bias && { bias }) })
    this.lm_head = head === 'tied' ? tiedHead(this.model.embed_tokens, cap) : separate()
  }
}

/** A transformer and the head that reads it; `bias` is for heads with weights of their own. */
export function languageModel(options: TransformerOptions, head: HeadChoice): LanguageModel {
  return new Network(options, head)
}
