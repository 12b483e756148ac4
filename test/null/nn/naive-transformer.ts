import type { AttentionOptions } from '../../../src/nn/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { addRows, attendOneHead, project, type Row, type Rows, rmsNormRow, rotateRow, rowsOf, type Sees, siluOf } from './oracle.ts'

export interface NaiveLayer {
  readonly attention: AttentionOptions
  readonly sees: Sees
  /** Turns one head's query or key. Default: the model's. */
  readonly rotate?: (row: Row, position: number) => Row
}

/** Where transformers differ; what weights tell (biases, gates, norms of heads, sinks) is not said again. */
export interface NaiveStyle {
  readonly rotate: (row: Row, position: number) => Row
  readonly norm: (row: Row, weight: Row, bias?: Row) => Row
  readonly activation: (x: number) => number
  readonly residual: 'prenorm' | 'parallel' | 'sandwich'
  readonly embeddingScale: number
}

/** Touvron et al. 2023. */
export const llamaStyle: NaiveStyle = {
  rotate: (row, position) => rotateRow(row, position, 40),
  norm: (row, weight) => rmsNormRow(row, weight, 1e-5),
  activation: siluOf,
  residual: 'prenorm',
  embeddingScale: 1,
}

/** Hidden states of one sequence, in doubles and loops. */
export class NaiveTransformer {
  readonly #weights: ReadonlyMap<string, ReferenceValue>
  readonly #style: NaiveStyle

  constructor(weights: ReadonlyMap<string, ReferenceValue>, style: Partial<NaiveStyle> = {}) {
    this.#weights = weights
    this.#style = { ...llamaStyle, ...style }
  }

  forward(ids: readonly number[], position: ArrayLike<number>, layers: readonly NaiveLayer[]): Rows {
    const table = rowsOf(this.#weights.get('embed_tokens.weight')!)
    const learned = this.#weights.get('positions.weight')
    let x: Rows = ids.map((id) => table[id]!.map((value) => value * this.#style.embeddingScale))
    if (learned !== undefined)
      x = addRows(
        x,
        ids.map((_, slot) => rowsOf(learned)[position[slot]!]!),
      )
    for (const [i, layer] of layers.entries()) x = this.#layer(`layers.${i}`, x, position, layer)
    return this.#norm('norm', x)
  }

  #layer(name: string, x: Rows, position: ArrayLike<number>, layer: NaiveLayer): Rows {
    const norm = (part: string, rows: Rows) => this.#norm(`${name}.${part}`, rows)
    const attention = (rows: Rows) => this.#attention(`${name}.self_attn`, rows, position, layer)
    const mlp = (rows: Rows) => this.#mlp(`${name}.mlp`, rows)
    const normed = norm('input_layernorm', x)
    if (this.#style.residual === 'parallel') return addRows(addRows(x, attention(normed)), mlp(normed))
    if (this.#style.residual === 'sandwich') {
      const attended = addRows(x, norm('post_attention_layernorm', attention(normed)))
      return addRows(attended, norm('post_feedforward_layernorm', mlp(norm('pre_feedforward_layernorm', attended))))
    }
    const attended = addRows(x, attention(normed))
    return addRows(attended, mlp(norm('post_attention_layernorm', attended)))
  }

  #vector(name: string): Row | undefined {
    const value = this.#weights.get(name)
    return value && [...value.data]
  }

  #linear(name: string, x: Rows): Rows {
    const bias = this.#vector(`${name}.bias`)
    const product = project(x, rowsOf(this.#weights.get(`${name}.weight`)!))
    return bias === undefined ? product : product.map((row) => row.map((value, i) => value + bias[i]!))
  }

  #norm(name: string, x: Rows): Rows {
    const [weight, bias] = [this.#vector(`${name}.weight`)!, this.#vector(`${name}.bias`)]
    return x.map((row) => this.#style.norm(row, weight, bias))
  }

  #mlp(name: string, x: Rows): Rows {
    const { activation } = this.#style
    const up = this.#linear(`${name}.up_proj`, x)
    if (!this.#weights.has(`${name}.gate_proj.weight`)) {
      return this.#linear(
        `${name}.down_proj`,
        up.map((row) => row.map(activation)),
      )
    }
    const gate = this.#linear(`${name}.gate_proj`, x)
    return this.#linear(
      `${name}.down_proj`,
      gate.map((row, i) => row.map((value, j) => activation(value) * up[i]![j]!)),
    )
  }

  #attention(name: string, x: Rows, position: ArrayLike<number>, layer: NaiveLayer): Rows {
    const { attention, sees, rotate = this.#style.rotate } = layer
    const { heads, keyValueHeads = heads, headWidth = x[0]!.length / heads } = attention
    const headsOf = (part: string, count: number) => {
      const all = this.#linear(`${name}.${part}_proj`, x)
      return Array.from({ length: count }, (_, h) => all.map((row) => row.slice(h * headWidth, (h + 1) * headWidth)))
    }
    const turned = (part: string, count: number) =>
      headsOf(part, count).map((rows) => {
        const normed = this.#weights.has(`${name}.${part}_norm.weight`) ? this.#norm(`${name}.${part}_norm`, rows) : rows
        return normed.map((row, slot) => rotate(row, position[slot]!))
      })
    const [query, key, value] = [turned('q', heads), turned('k', keyValueHeads), headsOf('v', keyValueHeads)]
    const sinks = this.#vector(`${name}.sinks`)
    const mixed = query.map((rows, h) => {
      const shared = Math.floor((h * keyValueHeads) / heads)
      const { scale = 1 / Math.sqrt(headWidth), softCap } = attention
      const scoring = { scale, ...(softCap !== undefined && { cap: softCap }), ...(sinks && { sink: sinks[h]! }) }
      return attendOneHead(rows, key[shared]!, value[shared]!, sees, scoring)
    })
    return this.#linear(
      `${name}.o_proj`,
      x.map((_, slot) => mixed.flatMap((rows) => rows[slot]!)),
    )
  }
}
