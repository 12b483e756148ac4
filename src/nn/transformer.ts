import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { type Dimension, type Initializer, multiply, reshape, type Tensor } from '../tensor/index.ts'
import { attendSlots } from './attend-slots.ts'
import {
  Attention,
  type AttentionCall,
  type AttentionOptions,
  attentionOptionNames,
  type KeyValues,
  type Slots,
} from './attention.ts'
import { type Block, prenorm, type Residual } from './block.ts'
import { Embedding } from './embedding.ts'
import { normal } from './initializers.ts'
import type { LinearOptions } from './linear.ts'
import type { MlpFactory } from './mlp.ts'
import type { Norm, NormFactory } from './norm.ts'
import type { Positions, PositionsFactory } from './positions.ts'
import { checkSizes } from './sizes.ts'

/** A decoder-only transformer, put together from values. */
export interface TransformerOptions {
  readonly vocabularySize: number
  readonly context: number
  readonly width: number
  readonly layers: number
  /** One for all layers, or one per layer. */
  readonly attention: AttentionOptions | ((layer: number) => AttentionOptions)
  readonly mlp: MlpFactory
  readonly norm: NormFactory
  readonly positions: PositionsFactory
  /** How attention and MLP join the residual stream: `prenorm`, `parallel`, `sandwich`, `postnorm`. Default: `prenorm`. */
  readonly residual?: Residual
  /** Embeddings are multiplied by this. Default 1. */
  readonly embeddingScale?: number
  /** Weights of linears and embeddings. Default: normal(0.02), and normal(0.02/√(2·layers)) where results join the residual stream. */
  readonly weight?: Initializer
  readonly bias?: Initializer
}

const optionNames = [
  'vocabularySize',
  'context',
  'width',
  'layers',
  'attention',
  'mlp',
  'norm',
  'positions',
  'residual',
  'embeddingScale',
  'weight',
  'bias',
] satisfies (keyof TransformerOptions)[]

export interface BackboneOutput {
  /** `[batch, slot, width]`, normalised: what heads read. */
  readonly hidden: Tensor
  /** What comes out of each layer, `[batch, slot, width]`. */
  readonly layers: readonly Tensor[]
  /** Keys and values of these slots, per layer. */
  readonly added: readonly KeyValues[]
}

/**
 * Slots → hidden states. Field names are the keys of public Llama-family checkpoints. Throws OptionError on unknown options and on
 * sizes that do not fit.
 *
 * @example
 * ```ts
 * const backbone = new Transformer({
 *   vocabularySize: 512, context: 512, width: 64, layers: 5, attention: { heads: 8, keyValueHeads: 4 },
 *   mlp: swiglu(172), norm: rmsNorm(), positions: rotary(),
 * })
 * ```
 */
export class Transformer {
  readonly embed_tokens: Embedding
  readonly positions: Positions
  readonly layers: readonly Block[]
  readonly norm: Norm
  readonly width: number
  readonly context: number
  readonly vocabularySize: number

  readonly #embeddingScale: number

  constructor(options: TransformerOptions) {
    refuseUnknown(options, optionNames, 'Transformer')
    const { vocabularySize, context, width, layers, embeddingScale = 1 } = options
    checkSizes({ vocabularySize, context, width, layers })
    if (!(embeddingScale > 0 && embeddingScale < Number.POSITIVE_INFINITY))
      throw new OptionError(`embeddingScale is ${embeddingScale}`, { expected: 'a finite number > 0' })
    this.width = width
    this.context = context
    this.vocabularySize = vocabularySize
    this.#embeddingScale = embeddingScale
    this.embed_tokens = new Embedding(vocabularySize, width, options.weight)
    this.positions = options.positions({ width, context })
    const positionsOf = rotations(options, this.positions)
    this.layers = Array.from({ length: layers }, (_, layer) => blockOf(options, layer, positionsOf))
    this.norm = options.norm(width)
  }

  /** Embeds ids: int `[batch, slot]` → `[batch, slot, width]`. */
  embed(ids: Tensor, position: Tensor): Tensor {
    const rows = this.embed_tokens.forward(ids)
    const embedded = this.#embeddingScale === 1 ? rows : multiply(rows, this.#embeddingScale)
    return this.positions.embed?.(embedded, position) ?? embedded
  }

  /** Hidden states of slots, and what a cache must keep of them. */
  forward(slots: Slots): BackboneOutput {
    return this.transform(slots.embedded, attendSlots(slots))
  }

  /** Hidden states of embedded slots `[batch, slot, width]`, whose attention the caller computes. */
  transform(embedded: Tensor, attention: AttentionCall): BackboneOutput {
    const [batch, slots] = embedded.shape as [Dimension, Dimension]
    // Rows of one matrix, which linear layers are fastest on; attention alone sees batch and slots.
    const attend: AttentionCall = (own, rows, layer) => {
      const { output, added } = attention(own, reshape(rows, [batch, slots, this.width]), layer)
      return { output: reshape(output, rows.shape), added }
    }
    let x = reshape(embedded, [-1, this.width])
    const outputs: Tensor[] = []
    const added = this.layers.map((block, layer) => {
      const attended = block.forward(x, attend, layer)
      x = attended.output
      outputs.push(reshape(x, embedded.shape))
      return attended.added
    })
    return { hidden: reshape(this.norm.forward(x), embedded.shape), layers: outputs, added }
  }
}

type PositionsOf = (attention: AttentionOptions) => Positions

/** One layer, with the initializers that its linears get. */
function blockOf(options: TransformerOptions, layer: number, positionsOf: PositionsOf): Block {
  const { width, layers, weight = normal(0.02), bias, mlp, norm, residual = prenorm } = options
  const joining = options.weight ?? normal(0.02 / Math.sqrt(2 * layers))
  const linear: LinearOptions = bias === undefined ? { weight } : { weight, bias }
  const output = { ...linear, weight: joining }
  const attention = typeof options.attention === 'function' ? options.attention(layer) : options.attention
  refuseUnknown(attention, attentionOptionNames, 'attention')
  return residual({
    attention: new Attention({ ...attention, width, linear, output, positions: positionsOf(attention) }),
    mlp: mlp({ width, linear, output }),
    norm: () => norm(width),
  })
}

/** What rotates a layer's queries and keys; layers that name the same factory share what it makes. */
function rotations({ width, context }: TransformerOptions, common: Positions): PositionsOf {
  const made = new Map<PositionsFactory, Positions>()
  return ({ positions: factory }) => {
    if (factory === undefined) return common
    const positions = made.get(factory) ?? factory({ width, context })
    if (positions.embed !== undefined)
      throw new OptionError('attention: positions that add to embeddings belong to the whole model', { expected: 'rotary()' })
    made.set(factory, positions)
    return positions
  }
}
