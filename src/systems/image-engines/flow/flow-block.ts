import { OptionError } from '../../../base/errors.ts'
import { type Layout, type Plan, sources } from '../../../base/model.ts'
import {
  type AffineHead,
  type AffineHeadOptions,
  type AffineParameters,
  affineForward,
  affineHead,
  affineLogDeterminant,
} from '../../../heads/index.ts'
import {
  attendSlots,
  constantColumns,
  gelu,
  type KeyValues,
  Linear,
  layerNorm,
  learned,
  normal,
  rotary,
  type Slots,
  type TracedColumns,
  Transformer,
  zeros,
} from '../../../nn/index.ts'
import { checkPlan, type Order } from '../../../orders/index.ts'
import {
  add,
  cast,
  constant,
  customGradient,
  gather,
  multiply,
  pad,
  range,
  reshape,
  scalar,
  slice,
  sum,
  type Tensor,
  unsqueeze,
} from '../../../tensor/index.ts'

export interface FlowBlockOptions {
  readonly layout: Layout
  /** Numbers per value. */
  readonly dimension: number
  readonly width: number
  readonly heads: number
  /** Width of the MLPs' middle. */
  readonly hidden: number
  readonly layers: number
  readonly order: Order
  readonly positions: 'learned' | 'rotary'
  readonly scale: AffineHeadOptions['scale']
  /** Classes that condition this block; 0: none. */
  readonly classes: number
}

/** Slots of a block that run alone, with those before them in a cache. */
export interface CachedSlots {
  /** What each is fed: the value before it, zeros for the first slot; `[batch, slot, dimension]`. */
  readonly fed: Tensor
  /** Which slots they are, int32 `[slot]`. */
  readonly at: Tensor
  readonly past: (columns: TracedColumns) => NonNullable<Slots['past']>
}

/**
 * One autoregressive affine map of a sequence of vectors: in the order of its plan, each value becomes (x − μ)/σ with μ and σ read from
 * the values before it by a causal transformer. Zhai et al. 2025 (TARFlow), equations 4 and 5. The slot that predicts value i is fed value
 * i − 1, the first one zeros, and all of them the class. All methods but `forward` and `inBlockOrder` take values in the block's own order.
 */
export class FlowBlock {
  readonly input: Linear
  readonly backbone: Transformer
  readonly head: AffineHead
  readonly classes: number
  readonly dimension: number
  readonly slots: number
  readonly #plan: Plan

  /** Throws DataError when slots see what they predict, OptionError when the order is no chain of single values, or sizes do not fit. */
  constructor(options: FlowBlockOptions) {
    const { layout, dimension, width, layers, heads, hidden, classes, scale } = options
    this.#plan = options.order.plan(layout)
    checkPlan(this.#plan, layout)
    checkChain(this.#plan, options.order.name)
    this.slots = this.#plan.length
    this.dimension = dimension
    this.classes = classes
    this.input = new Linear(dimension, width, { weight: normal(1 / Math.sqrt(dimension)) })
    this.backbone = new Transformer({
      vocabularySize: classes + 1,
      context: this.slots,
      width,
      layers,
      attention: { heads },
      mlp: gelu(hidden),
      norm: layerNorm(),
      positions: options.positions === 'learned' ? learned() : rotary(),
      bias: zeros,
    })
    this.head = affineHead(width, dimension, { scale })
  }

  /** Which value each slot predicts. */
  get targets(): Int32Array {
    return this.#plan.target
  }

  /** Values `[batch, value, dimension]` and int labels `[batch]` → what became of them, and log |det| `[batch]`. */
  forward(values: Tensor, labels: Tensor): { readonly z: Tensor; readonly logDeterminant: Tensor } {
    const own = this.inBlockOrder(values)
    const affine = this.affine(own, labels)
    return { z: this.inBlockOrder(affineForward(own, affine)), logDeterminant: sum(affineLogDeterminant(affine), 1) }
  }

  /** From values as the layout counts them to the block's order, or back: both orders are their own inverse. */
  inBlockOrder(values: Tensor): Tensor {
    if (this.targets.every((value, slot) => value === slot)) return values
    const turn = (rows: Tensor) => gather(rows, constant(Int32Array.from(this.targets), [this.slots], 'int32'), 1)
    // The gradient goes back the same way, without adding up what is gathered.
    return customGradient(
      [values],
      ([rows]) => turn(rows!),
      (gradient) => [turn(gradient)],
    )
  }

  /** The map of every value, given all values `[batch, slot, dimension]`. */
  affine(values: Tensor, labels: Tensor): AffineParameters {
    const fed = pad(slice(values, 1, 0, -1), 1, 1, 0)
    const position = unsqueeze(cast(range(this.slots), 'int32'), 0)
    const columns = constantColumns(this.#plan)
    const embedded = this.#embed(fed, labels, position)
    const slots: Slots = { embedded, position, columns, visibility: this.#plan.visibility }
    return this.head.parameters(this.backbone.transform(embedded, attendSlots(slots)).hidden)
  }

  /** The map of some slots, and the keys and values that later slots see of them. */
  cachedAffine(
    { fed, at, past }: CachedSlots,
    labels: Tensor,
  ): { readonly affine: AffineParameters; readonly added: readonly KeyValues[] } {
    const all = constantColumns(this.#plan)
    const columns = columnsAt(all, at)
    const position = unsqueeze(at, 0)
    const embedded = this.#embed(fed, labels, position)
    const slots: Slots = { embedded, position, columns, visibility: this.#plan.visibility, past: past(all) }
    const { hidden, added } = this.backbone.transform(embedded, attendSlots(slots))
    return { affine: this.head.parameters(hidden), added }
  }

  #embed(fed: Tensor, labels: Tensor, position: Tensor): Tensor {
    const known = this.classes === 0 ? multiply(labels, scalar(0, 'int32')) : labels
    const context = this.backbone.embed(unsqueeze(known, 1), position)
    return add(this.input.forward(fed), context)
  }
}

/** Columns of the slots `at`. */
export function columnsAt(columns: TracedColumns, at: Tensor): TracedColumns {
  const rows = Object.entries<Tensor>(columns as Readonly<Record<string, Tensor>>).map(
    ([name, column]) => [name, unsqueeze(gather(reshape(column, [-1]), at), 0)] as const,
  )
  return Object.fromEntries(rows) as TracedColumns
}

function checkChain({ source, target, channels = [] }: Plan, name: string): void {
  const chained = source.every((value, slot) => value === (slot === 0 ? sources.start : target[slot - 1]))
  const [first] = target
  const step = first === 0 ? 1 : -1
  if (channels.length === 0 && chained && target.every((value, slot) => value === first! + step * slot)) return
  throw new OptionError(`the order ${name} of a flow's block`, { expected: 'raster() or reverseRaster(): one value after another' })
}
