import * as v from 'valibot'
import { countValues } from '../../base/codes.ts'
import { OptionError } from '../../base/errors.ts'
import type { Layout, Plan } from '../../base/model.ts'
import {
  Conv2d,
  constantColumns,
  depthToSpace,
  Embedding,
  normal,
  planPositions,
  ResidualBlock2d,
  rotaryAxes,
  SlotTransformer,
  swiglu,
  TimeEmbedding,
} from '../../nn/index.ts'
import { masked } from '../../orders/index.ts'
import {
  add,
  greater,
  mean,
  parameter,
  reshape,
  subtract,
  type Tensor,
  transpose,
  unsqueeze,
  type Variable,
  where,
} from '../../tensor/index.ts'
import { count, layerCount, share } from '../read-config.ts'
import { gridAxes } from './grid-axes.ts'
import { swigluWidth } from './token-network.ts'

export const maskedEntries = {
  width: v.optional(count, 96),
  layers: v.optional(layerCount, 4),
  heads: v.optional(count, 4),
  /** Share of labels that training drops. */
  labelDrop: v.optional(share, 0.1),
  /** Whether every layer is told which share of the values is masked. */
  rateCondition: v.optional(v.boolean(), true),
}

export interface MaskedBackboneOptions {
  readonly width: number
  readonly layers: number
  readonly heads: number
  readonly rateCondition: boolean
  /** 2: layers see one slot for each 2×2 values. */
  readonly compress: 1 | 2
}

/** What a sample looks like in part. */
export interface PartlyKnown {
  /** An embedding of each value, `[batch, value, width]`; those of unknown values are not looked at. */
  readonly embedded: Tensor
  /** float `[batch, value]`: 1 where a value is known, else 0. */
  readonly known: Tensor
  /** int `[batch]`; `classes` for none. */
  readonly label: Tensor
  /** What layers are told besides, `[batch, width]`: which task this is. */
  readonly task?: Tensor
}

/**
 * Values that are known in part → hidden states for all of them: mask tokens where a value is not known, learned places, and attention of all to all,
 * under the class and the share of masked values. MaskGIT, arXiv:2202.04200; the condition and the compression are Meissonic's, arXiv:2410.08261.
 */
export class MaskedBackbone {
  readonly maskToken: Variable
  /** Rotations alone cannot tell mask tokens apart: equal values mix to equal values. `[1, value, width]`. */
  readonly place: Variable
  readonly label: Embedding
  readonly rate?: TimeEmbedding
  readonly compression?: Compression
  readonly backbone: SlotTransformer
  readonly #plan: Plan

  /** Throws OptionError on a grid that cannot be compressed. */
  constructor(layout: Layout, classes: number, { width, layers, heads, rateCondition, compress }: MaskedBackboneOptions) {
    this.maskToken = parameter([1, 1, width], normal(0.02))
    this.place = parameter([1, countValues(layout), width], normal(0.02))
    this.label = new Embedding(classes + 1, width)
    if (rateCondition) this.rate = new TimeEmbedding(width, { scale: 1000 })
    if (compress === 2) this.compression = new Compression(layout, width)
    this.#plan = masked().plan(this.compression?.layout ?? layout)
    this.backbone = new SlotTransformer({
      width,
      layers,
      condition: width,
      attention: { heads },
      mlp: swiglu(swigluWidth(width)),
      positions: rotaryAxes(gridAxes(layout, this.#plan)),
    })
  }

  /** Hidden states `[batch, value, width]`. */
  forward({ embedded, known, label, task }: PartlyKnown): Tensor {
    const placed = add(where(greater(unsqueeze(known, -1), 0.5), embedded, this.maskToken), this.place)
    const slots = this.compression?.compress(placed) ?? placed
    const condition = this.#condition(known, label)
    const { hidden } = this.backbone.forward({
      embedded: slots,
      condition: unsqueeze(task === undefined ? condition : add(condition, task), 1),
      position: planPositions(this.#plan),
      columns: constantColumns(this.#plan),
      visibility: this.#plan.visibility,
    })
    return this.compression?.expand(hidden) ?? hidden
  }

  /** `[batch, width]`. */
  #condition(known: Tensor, label: Tensor): Tensor {
    const wanted = this.label.forward(label)
    return this.rate === undefined ? wanted : add(wanted, this.rate.forward(subtract(1, mean(known, -1))))
  }
}

/** 2×2 values become one slot before the layers and are told apart again after them. */
class Compression {
  readonly down: Conv2d
  readonly before: ResidualBlock2d
  readonly up: Conv2d
  readonly after: ResidualBlock2d
  /** Of the slots. */
  readonly layout: Layout
  readonly #width: number

  constructor({ parts }: Layout, width: number) {
    const [height, across, ...more] = parts[0]!.shape
    if (parts.length > 1 || height === undefined || across === undefined || more.length > 0 || height % 2 || across % 2) {
      throw new OptionError(`compress 2 of values on ${parts.map(({ shape }) => shape.join('×')).join(', ')}`, {
        expected: 'one grid with even sides',
        fix: 'leave compress out',
      })
    }
    this.layout = { parts: [{ shape: [height / 2, across / 2] }] }
    this.#width = width
    this.down = new Conv2d(width, width, { kernel: 2, stride: 2 })
    this.before = new ResidualBlock2d(width, width)
    this.up = new Conv2d(width, 4 * width, { kernel: 1 })
    this.after = new ResidualBlock2d(width, width)
  }

  compress(values: Tensor): Tensor {
    const [rows, columns] = this.#grid()
    const picture = reshape(transpose(values, [0, 2, 1]), [values.shape[0]!, this.#width, 2 * rows, 2 * columns])
    return this.#slots(this.before.forward(this.down.forward(picture)))
  }

  expand(slots: Tensor): Tensor {
    const [rows, columns] = this.#grid()
    const picture = reshape(transpose(slots, [0, 2, 1]), [slots.shape[0]!, this.#width, rows, columns])
    return this.#slots(this.after.forward(depthToSpace(this.up.forward(picture), 2)))
  }

  /** `[batch, width, y, x]` → `[batch, y·x, width]`. */
  #slots(picture: Tensor): Tensor {
    return transpose(reshape(picture, [picture.shape[0]!, this.#width, -1]), [0, 2, 1])
  }

  #grid(): readonly [number, number] {
    return this.layout.parts[0]!.shape as readonly [number, number]
  }
}
