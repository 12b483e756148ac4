import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OptionError } from '../../../src/base/errors.ts'
import { and, causal, evaluate, everything, type Rule, role } from '../../../src/base/visibility.ts'
import {
  Attention,
  type AttentionOptions,
  attend,
  constantColumns,
  rotary,
  type Slots,
  sliding,
  visibilityBias,
  zeros,
} from '../../../src/nn/index.ts'
import { blocks } from '../../../src/orders/index.ts'
import { add, constant, input, interpret, matmul, pullback, reshape, softmax, type Tensor } from '../../../src/tensor/index.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'
import { centralDifferences, expectNear, noise } from '../tensor/finite-differences.ts'
import { anyColumns, anyRule } from '../visibility/random-columns.ts'
import { attendOneHead, fixed, project, randomVariables, rotateRow, rowsOf, type Sees } from './oracle.ts'

interface Case {
  readonly heads: number
  readonly keyValueHeads: number
  readonly queries: number
  readonly keys: number
  readonly bits: ArrayLike<number>
}

const [batch, headWidth, scale] = [2, 3, 0.6]

function valuesOf({ heads, keyValueHeads, queries, keys, bits }: Case) {
  return {
    query: noise('query', [batch, heads, queries, headWidth]),
    key: noise('key', [batch, keyValueHeads, keys, headWidth]),
    value: noise('value', [batch, keyValueHeads, keys, headWidth]),
    bias: { shape: [1, 1, queries, keys], data: Float64Array.from(bits, (bit) => (bit ? 0 : -1e9)) },
  }
}

function tracedAttend({ keyValueHeads }: Case, values: ReturnType<typeof valuesOf>) {
  const { query, key, value } = values
  const leaf = (name: string, { shape }: ReferenceValue) => input(name, 'float64', shape)
  const leaves = [leaf('query', query), leaf('key', key), leaf('value', value)] as const
  const folded = reshape(leaves[0], [batch, keyValueHeads, -1, headWidth])
  return { leaves, folded, output: attend(folded, leaves[1], leaves[2], fixed(values.bias), { scale }) }
}

const shapes = {
  'multi-head': { heads: 2, keyValueHeads: 2, queries: 4, keys: 4 },
  'grouped-query': { heads: 4, keyValueHeads: 2, queries: 3, keys: 5 },
  'one key for all heads': { heads: 3, keyValueHeads: 1, queries: 2, keys: 6 },
  'one query of a group': { heads: 4, keyValueHeads: 2, queries: 1, keys: 3 },
}

/** Random bits, where some query sees nothing. */
function casesOf(shape: (typeof shapes)['multi-head']): Case {
  const random = noise('bits', [shape.queries * shape.keys]).data
  return { ...shape, bits: random.map((x, i) => Number(x > -0.3 && (shape.queries === 1 || i >= shape.keys))) }
}

describe.each(Object.entries(shapes))('attend, %s', (_name, shape) => {
  const given = casesOf(shape)
  const values = valuesOf(given)
  const inputs: Record<string, ReferenceValue> = { query: values.query, key: values.key, value: values.value }
  const group = shape.heads / shape.keyValueHeads

  it('equals loops over heads, queries and the keys that are seen; rows that see nothing are finite', () => {
    const [output] = interpret([tracedAttend(given, values).output], { inputs })
    const unfolded = { shape: [batch, shape.heads, shape.queries, headWidth], data: output!.data }
    const sees: Sees = (q, k) => given.bits[q * shape.keys + k] === 1
    for (let row = 0; row < batch; row++) {
      for (let head = 0; head < shape.heads; head++) {
        const at = [row, Math.floor(head / group)]
        const expected = attendOneHead(
          rowsOf(values.query, row, head),
          rowsOf(values.key, ...at),
          rowsOf(values.value, ...at),
          sees,
          { scale },
        )
        const actual = rowsOf(unfolded, row, head)
        expected.forEach((wanted, q) => {
          expectNear(actual[q]!, wanted ?? actual[q]!, `query ${q}`, 1e-12)
        })
      }
    }
    expect(output!.data.every(Number.isFinite)).toBe(true)
  })

  it('has the gradients of finite differences, and of the derived rule', () => {
    const { leaves, folded, output } = tracedAttend(given, values)
    const everywhere = noise('cotangent', [batch, shape.keyValueHeads, group * shape.queries, headWidth])
    const gradientsOf = (of: Tensor, cotangent: ReferenceValue) => interpret(pullback(of, fixed(cotangent), leaves), { inputs })
    const derived = gradientsOf(plainAttend(folded, leaves[1], leaves[2], values.bias, group), everywhere)
    for (const [i, own] of gradientsOf(output, everywhere).entries()) expectNear(own.data, derived[i]!.data, `operand ${i}`, 1e-12)
    // Beside -1e9 a score keeps too few digits for differences: rows that see nothing are left out.
    const blind = (at: number) => !seesSome(given, Math.floor(at / headWidth) % shape.queries)
    const cotangent = { ...everywhere, data: everywhere.data.map((x, at) => (blind(at) ? 0 : x)) }
    for (const [i, own] of gradientsOf(output, cotangent).entries()) {
      const leaf = ['query', 'key', 'value'][i]!
      expectNear(own.data, centralDifferences(output, cotangent, { inputs }, { leaf }), `gradient of ${leaf}`)
    }
  })
})

function seesSome({ bits, keys }: Case, query: number): boolean {
  return Array.from({ length: keys }, (_, key) => bits[query * keys + key]).includes(1)
}

/** The same without a gradient of its own; the bias is repeated for each head of a group. */
function plainAttend(query: Tensor, key: Tensor, value: Tensor, bias: ReferenceValue, group: number): Tensor {
  const [queries, keys] = bias.shape.slice(2) as [number, number]
  const repeated = constant(Array.from({ length: group }, () => [...bias.data]).flat(), [1, 1, group * queries, keys], 'float64')
  return matmul(softmax(add(matmul(query, key, { transposeB: true, scale }), repeated)), value)
}

/** Slots that nobody embedded: only their columns matter. */
function slotsOf(columns: Parameters<typeof constantColumns>[0], visibility: Rule): Slots {
  return {
    embedded: constant(new Float64Array(columns.length), [1, columns.length, 1], 'float64'),
    position: constant([...columns.position[0]!], [1, columns.length], 'int32'),
    columns: constantColumns(columns),
    visibility,
  }
}

describe('visibilityBias', () => {
  it('is 0 where the rule, narrowed, lets a slot see, and hides the rest', () => {
    fc.assert(
      fc.property(anyRule, fc.option(anyRule, { nil: undefined }), anyColumns, (rule, narrow, columns) => {
        const [bias] = interpret([visibilityBias(slotsOf(columns, rule), narrow)], { inputs: {} })
        const seen = evaluate(narrow === undefined ? rule : and(rule, narrow), columns)
        expect(bias!.shape).toEqual([1, 1, columns.length, columns.length])
        expect([...bias!.data]).toEqual(Array.from(seen, (bit) => (bit ? 0 : -1e9)))
      }),
      { seed: 1, numRuns: 150 },
    )
  })

  it.each([
    ['a causal rule', causal],
    ['a rule about the query alone', role('query', 'clean')],
    ['a rule about the key alone', role('key', 'clean')],
    ['no condition', everything],
  ])('of past slots hides those that are not valid, for caches of one row or of many: %s', (_name, rule) => {
    const { columns } = slotsOf(blocks(2).plan({ parts: [{ shape: [3] }] }), rule)
    const past = constantColumns({ ...blocks(1).plan({ parts: [{ shape: [4] }] }), group: new Int32Array(4) })
    const own = { ...slotsOf(blocks(2).plan({ parts: [{ shape: [3] }] }), rule), columns }
    const valid = constant([1, 1, 0, 0, 1, 1, 1, 0], [2, 4], 'bool')
    const [bias] = interpret([visibilityBias({ ...own, past: { kind: 'plain', columns: past, valid, layers: [] } })], {
      inputs: {},
    })
    expect(bias!.shape).toEqual([2, 1, 3, 7])
    const [block] = interpret([visibilityBias(own)], { inputs: {} })
    const filled = [
      [0, 0, -1e9, -1e9],
      [0, 0, 0, -1e9],
    ]
    const expected = filled.flatMap((row) => [0, 1, 2].flatMap((q) => [...row, ...block!.data.subarray(q * 3, q * 3 + 3)]))
    expect([...bias!.data]).toEqual(expected)
  })
})

describe('Attention', () => {
  const width = 6
  const cases: [string, AttentionOptions, Rule][] = [
    ['multi-head, causal', { heads: 3 }, causal],
    ['grouped queries, sliding', { heads: 4, keyValueHeads: 2, headWidth: 4, narrow: sliding(2) }, causal],
    ['one key, everything seen', { heads: 2, keyValueHeads: 1, headWidth: 2 }, everything],
  ]

  it.each(cases)('equals its formula: %s', (_name, options, rule) => {
    const attention = new Attention({
      ...options,
      width,
      linear: {},
      output: {},
      positions: rotary({ base: 30 })({ width, context: 9 }),
    })
    const { variables, byName } = randomVariables(attention)
    const plan = blocks(2).plan({ parts: [{ shape: [5] }] })
    const x = noise('x', [1, 5, width])
    const slots = slotsOf(plan, rule)
    const { output, added } = attention.forward(
      input('x', 'float32', [1, 5, width]),
      float32Bias(slots, options.narrow),
      slots.position,
    )
    const [actual, key] = interpret([output, added.key], { inputs: { x }, variables })
    const seen = evaluate(and(rule, options.narrow ?? everything), plan)
    const expected = naive(rowsOf(x, 0), byName, options, plan.position[0]!, (q, k) => seen[q * 5 + k] === 1)
    expectNear(actual!.data, expected.output.flat(), 'output', 1e-6)
    expectNear(key!.data, expected.keys.flat(2), 'keys', 1e-6)
  })

  function naive(
    x: ReturnType<typeof rowsOf>,
    byName: ReadonlyMap<string, ReferenceValue>,
    options: AttentionOptions,
    position: Int32Array,
    sees: Sees,
  ) {
    const { heads, keyValueHeads = heads, headWidth = width / heads } = options
    const weight = (name: string) => rowsOf(byName.get(`${name}.weight`)!)
    const headOf = (rows: ReturnType<typeof rowsOf>, head: number) =>
      rows.map((row) => row.slice(head * headWidth, (head + 1) * headWidth))
    const rotated = (rows: ReturnType<typeof rowsOf>) => rows.map((row, slot) => rotateRow(row, position[slot]!, 30))
    const [q, k, v] = [project(x, weight('q_proj')), project(x, weight('k_proj')), project(x, weight('v_proj'))]
    const keys = Array.from({ length: keyValueHeads }, (_, head) => rotated(headOf(k, head)))
    const mixed = Array.from({ length: heads }, (_, head) => {
      const shared = Math.floor(head / (heads / keyValueHeads))
      return attendOneHead(rotated(headOf(q, head)), keys[shared]!, headOf(v, shared), sees, { scale: 1 / Math.sqrt(headWidth) })
    })
    const joined = x.map((_, slot) => mixed.flatMap((rows) => rows[slot]!))
    return { output: project(joined, weight('o_proj')), keys }
  }

  function float32Bias(slots: Slots, narrow: Rule | undefined): Tensor {
    return visibilityBias({ ...slots, embedded: constant([0], [1, 1, 1]) }, narrow)
  }

  it.each([
    ['heads that do not divide the width', { heads: 4 }],
    ['key-value heads that do not divide the heads', { heads: 6, keyValueHeads: 4 }],
    ['more key-value heads than heads', { heads: 2, keyValueHeads: 4 }],
    ['no heads', { heads: 0 }],
    ['no heads but key-value heads', { heads: 0, keyValueHeads: 1, headWidth: 2 }],
    ['a negative number of key-value heads', { heads: 6, keyValueHeads: -3 }],
    ['part of a head', { heads: 1.5, headWidth: 4 }],
    ['heads without width', { heads: 2, headWidth: 0 }],
    ['heads of negative width', { heads: 2, headWidth: -4 }],
    ['heads of unknown width', { heads: 2, headWidth: Number.NaN }],
  ])('refuses %s', (_name, options) => {
    expect(() => new Attention({ ...options, width, linear: { weight: zeros }, output: {}, positions: {} })).toThrow(OptionError)
  })
})
