import { concat, slice, squeeze, type Tensor } from '../tensor/index.ts'
import { Embedding } from './embedding.ts'
import { glorotUniform } from './initializers.ts'
import { Linear } from './linear.ts'

/** Embeds values of one or several ids: a table for each id; several are joined by a linear layer. */
export class CodeEmbedding {
  readonly tables: readonly Embedding[]
  readonly join?: Linear

  /** Throws OptionError on sizes below 1. */
  constructor(vocabulary: readonly number[], width: number) {
    const each = Math.ceil(width / vocabulary.length)
    this.tables = vocabulary.map((size) => new Embedding(size, each))
    if (vocabulary.length > 1) this.join = new Linear(each * vocabulary.length, width, { weight: glorotUniform })
  }

  /** int `[batch, value, code]` → `[batch, value, width]`. */
  forward(values: Tensor): Tensor {
    const rows = this.tables.map((table, code) => table.forward(squeeze(slice(values, -1, code, code + 1), -1)))
    return this.join === undefined ? rows[0]! : this.join.forward(concat(rows, -1))
  }
}
