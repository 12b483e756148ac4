import { refuseUnknown } from '../base/options.ts'
import type { Tensor } from '../tensor/index.ts'
import { AdaptiveBlock, AdaptiveNorm } from './adaptive-block.ts'
import { attendSlots } from './attend-slots.ts'
import { Attention, type AttentionOptions, attentionOptionNames, type Slots } from './attention.ts'
import { normal, zeros } from './initializers.ts'
import type { MlpFactory } from './mlp.ts'
import type { PositionsFactory } from './positions.ts'
import { checkSizes } from './sizes.ts'
import type { BackboneOutput } from './transformer.ts'

export interface SlotTransformerOptions {
  readonly width: number
  readonly layers: number
  /** Width of the condition vectors that scale, shift and gate every layer. */
  readonly condition: number
  readonly attention: Omit<AttentionOptions, 'positions'>
  readonly mlp: MlpFactory
  /** What rotates queries and keys; positions that add to embeddings are the caller's. */
  readonly positions: PositionsFactory
}

const optionNames = ['width', 'layers', 'condition', 'attention', 'mlp', 'positions'] satisfies (keyof SlotTransformerOptions)[]

/** Slots and the condition that they are seen under. */
export interface ConditionedSlots extends Slots {
  /** `[batch, 1 or slot, condition]`. */
  readonly condition: Tensor
}

/**
 * A transformer over embedded slots of any plan, modulated by a condition: class, time, mask rate. Peebles & Xie 2023; the backbone of VAR.
 * Throws OptionError on unknown options and on sizes that do not fit.
 */
export class SlotTransformer {
  readonly layers: readonly AdaptiveBlock[]
  readonly norm: AdaptiveNorm
  readonly width: number
  readonly condition: number

  constructor(options: SlotTransformerOptions) {
    refuseUnknown(options, optionNames, 'SlotTransformer')
    const { width, layers, condition, attention, mlp } = options
    refuseUnknown(attention, attentionOptionNames, 'attention')
    checkSizes({ width, layers, condition })
    this.width = width
    this.condition = condition
    const linear = { weight: normal(0.02), bias: zeros }
    const output = { ...linear, weight: normal(0.02 / Math.sqrt(2 * layers)) }
    const positions = options.positions({ width, context: 0 })
    const block = () =>
      new AdaptiveBlock({
        attention: new Attention({ ...attention, width, linear, output, positions }),
        mlp: mlp({ width, linear, output }),
        width,
        condition,
      })
    this.layers = Array.from({ length: layers }, block)
    this.norm = new AdaptiveNorm(width, condition)
  }

  forward(slots: ConditionedSlots): BackboneOutput {
    const { condition } = slots
    const attention = attendSlots(slots)
    let x = slots.embedded
    const outputs: Tensor[] = []
    const added = this.layers.map((block, layer) => {
      const attended = block.forward(x, condition, attention, layer)
      x = attended.output
      outputs.push(x)
      return attended.added
    })
    return { hidden: this.norm.forward(x, condition), layers: outputs, added }
  }
}
