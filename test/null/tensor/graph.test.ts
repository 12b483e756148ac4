import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GraphError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import {
  addDimensions,
  type Dimension,
  divideDimensions,
  evaluateDimension,
  formatShape,
  multiplyDimensions,
  sameDimension,
  subtractDimensions,
  symbol,
  toDimension,
} from '../../../src/tensor/dimension.ts'
import { topologicalOrder } from '../../../src/tensor/graph.ts'
import * as t from '../../../src/tensor/index.ts'
import { simplify } from '../../../src/tensor/simplify.ts'
import { expectNear, noise } from './finite-differences.ts'

const x = t.input('x', 'float32', [2, 3])
const nodesOf = (build: (x: t.Tensor) => t.Tensor) => {
  const traced = t.trace({ x: t.float32(2, 3) }, ({ x }) => ({ y: build(x) }))
  return traced.order.filter(({ op }) => op.name !== 'input').map(({ op }) => op.name)
}

describe('simplification', () => {
  it.each<[string, (x: t.Tensor) => t.Tensor, string[]]>([
    ['x + 0', (x) => t.add(x, 0), []],
    ['0 + x', (x) => t.add(0, x), []],
    ['x − 0', (x) => t.subtract(x, 0), []],
    ['0 − x stays', (x) => t.subtract(0, x), ['scalar', 'subtract']],
    ['x · 1', (x) => t.multiply(t.multiply(1, x), 1), []],
    ['x / 1', (x) => t.divide(x, 1), []],
    ['1 / x stays', (x) => t.divide(1, x), ['scalar', 'divide']],
    ['x¹', (x) => t.power(x, 1), []],
    [
      'a scalar that grows by broadcasting stays',
      (x) => t.add(t.sum(x), t.multiply(t.constant([0, 0], [2]), 0)),
      ['sum', 'constant', 'scalar', 'multiply', 'add'],
    ],
    ['scalars of scalars are computed', (x) => t.multiply(x, t.exp(t.add(t.scalar(1), 1))), ['scalar', 'multiply']],
    ['a known choice', (x) => t.where(t.less(t.scalar(1), 2), x, 0), []],
    ['reshapes in a row', (x) => t.reshape(t.reshape(x, [6]), [3, 2]), ['reshape']],
    ['reshapes there and back', (x) => t.reshape(t.reshape(x, [6]), [2, 3]), []],
    ['transposes there and back', (x) => t.transpose(t.transpose(x)), []],
    ['a transpose becomes a flag of the product', (x) => t.matmul(x, t.transpose(x)), ['matmul']],
    ['a cast to the same dtype', (x) => t.cast(t.cast(x, 'float32'), 'float32'), []],
    ['equal subgraphs are one', (x) => t.add(t.exp(x), t.exp(x)), ['exp', 'add']],
    [
      'equal short constants are one',
      (x) => t.add(t.multiply(x, t.constant([1, 2, 3], [3])), t.constant([1, 2, 3], [3])),
      ['constant', 'multiply', 'add'],
    ],
    ['0 and −0 are two', (x) => t.add(t.multiply(x, 0), t.multiply(x, -0)), ['scalar', 'multiply', 'scalar', 'multiply', 'add']],
    [
      'constants of other dtypes are others',
      (x) => t.add(t.cast(t.constant([1], [1], 'int32'), 'float32'), t.add(x, t.constant([1], [1]))),
      ['constant', 'cast', 'constant', 'add', 'add'],
    ],
  ])('%s', (_what, build, names) => {
    expect(nodesOf(build)).toEqual(names)
  })

  it('changes no value of random graphs', () => {
    const steps = fc.array(fc.record({ op: fc.nat(13), a: fc.nat(20), b: fc.nat(20) }), { minLength: 1, maxLength: 14 })
    const operations: ((a: t.Tensor, b: t.Tensor) => t.Tensor)[] = [
      (a, b) => t.add(a, b),
      (a, b) => t.multiply(a, b),
      (a) => t.add(a, 0),
      (a) => t.multiply(1, a),
      (a) => t.subtract(a, 0),
      (a) => t.transpose(t.transpose(a, [1, 0])),
      (a, b) => t.matmul(t.transpose(a), b, { transposeA: true, scale: 0.5 }),
      (a, b) => t.matmul(a, t.transpose(b)),
      (a) => t.reshape(t.reshape(a, [9]), [3, 3]),
      (a) => t.where(t.less(t.scalar(2, 'float64'), 1), t.exp(a), a),
      (a) => t.stopGradient(a),
      (a) => t.power(a, t.exp(t.scalar(0, 'float64'))),
      (a) => t.expand(a, [3, 3]),
      (a) => t.subtract(t.scalar(1, 'float64'), a),
    ]
    fc.assert(
      fc.property(steps, (list) => {
        const values = [t.input('x', 'float64', [3, 3])]
        for (const { op, a, b } of list) values.push(operations[op]!(values[a % values.length]!, values[b % values.length]!))
        const inputs = { x: noise('x', [3, 3]) }
        const result = values.at(-1)!
        const simple = simplify([result]).get(result)!
        expect(topologicalOrder([simple]).length).toBeLessThanOrEqual(topologicalOrder([result]).length)
        const [before, after] = [t.interpret([result], { inputs })[0]!, t.interpret([simple], { inputs })[0]!]
        expectNear(after.data, before.data, 'value', 1e-12)
      }),
      { seed: 3, numRuns: 300 },
    )
  })
})

describe('the verifier', () => {
  const sum = t.add(x, t.exp(x))
  const corrupt = (changes: Partial<t.Tensor>, node: t.Tensor = sum) =>
    Object.assign(Object.create(t.Tensor.prototype), node, changes) as t.Tensor

  it('accepts what was traced', () => {
    expect(() => t.verify([sum])).not.toThrow()
  })

  it.each<[string, Partial<t.Tensor>, RegExp]>([
    [
      'a shape that its rule does not give',
      { shape: [2, 4] },
      /^add: float32\[2, 4\] \(line .*graph\.test\.ts:\d+:\d+, fed by input: float32\[2, 3\]; exp: float32\[2, 3\]\): its rule gives float32\[2, 3\]/,
    ],
    ['a dtype that its rule does not give', { dtype: 'float64' }, /its rule gives float32/],
    [
      'operands that do not fit',
      { inputs: [x, t.input('z', 'float32', [2, 4])] },
      /^add: .*fed by input: float32\[2, 3\]; input: float32\[2, 4\]\): shapes \[2, 3\] and \[2, 4\] do not broadcast/,
    ],
    ['an op of unknown origin', { op: { ...sum.op } }, /unknown op add/],
  ])('names the node and its producers: %s', (_what, changes, message) => {
    const broken = t.exp(x)
    const outer = corrupt({ inputs: [corrupt(changes)], op: broken.op }, broken)
    expect(() => t.verify([outer])).toThrow(GraphError)
    expect(() => t.verify([outer])).toThrow(message)
  })

  it('refuses two inputs of one name, and sizes that nothing binds', () => {
    expect(() => t.verify([t.add(x, t.input('x', 'float32', [3]))])).toThrow(/two inputs are named x/)
    expect(() => t.verify([t.range(symbol('N'))])).toThrow(/size N is not the axis of any input or variable/)
  })
})

describe('tracing refuses', () => {
  const y = t.variable({ shape: [2], name: 'w' })
  it.each<[string, () => unknown, RegExp]>([
    [
      'a variable that is assigned twice',
      () => t.trace({}, () => ({ a: t.assign(y, y), b: [t.assign(y, t.add(y, 1))] })),
      /variable w is assigned twice/,
    ],
    ['a name that is no identifier', () => t.trace({ 'a b': t.float32(1) }, () => ({})), /input name "a b" is not an identifier/],
    [
      'an output with an input’s name',
      () => t.trace({ x: t.float32(1) }, ({ x }) => ({ x: t.add(x, 1) })),
      /an input and an output are named x/,
    ],
    [
      'a number as result',
      () => t.trace({}, () => ({ y: 3 }) as never),
      /result "y" is 3; expected a named Tensor, assignment, or list/,
    ],
    ['nothing as result', () => t.trace({}, () => undefined as never), /the program gives undefined/],
    ['a list of tensors as result', () => t.trace({}, () => ({ y: [y.tensor] }) as never), /result "y"/],
    [
      'a leaf of another program',
      () => t.trace({ z: t.float32(2, 3) }, () => ({ y: t.exp(x) })),
      /input: float32\[2, 3\] x is no input of this program/,
    ],
    [
      'rows placed by another program',
      () => {
        const cache = t.variable({ shape: ['B', 4], name: 'cache' })
        const [starts, counts] = [t.input('starts', 'int32', ['B']), t.input('counts', 'int32', ['B'])]
        return t.trace({ v: t.float32('B', 2) }, ({ v }) => ({ a: t.assignRows(cache, v, 1, starts, counts) }))
      },
      /rows of variable cache are placed by input: int32\[B\]; expected an input of this program/,
    ],
  ])('%s', (_what, act, message) => {
    expect(act).toThrow(GraphError)
    expect(act).toThrow(message)
  })

  it('rows that do not fit', () => {
    const cache = t.variable({ shape: ['B', 4, 2], name: 'cache' })
    const counts = t.input('counts', 'int32', ['B'])
    const rows = t.input('rows', 'float32', ['B', 1, 2])
    expect(() => t.assignRows(cache, rows, 0, counts, counts)).toThrow(/along axis 0; expected an axis in \[1, 2\]/)
    expect(() => t.assignRows(cache, rows, 2, counts, counts)).toThrow(ShapeError)
    expect(() => t.assignRows(cache, rows, 1, t.add(counts, 1), counts)).toThrow(/cannot place rows/)
    expect(() => t.assignRows(cache, rows, 1, t.input('c', 'float32', ['B']), counts)).toThrow(/expected an int32 input/)
    expect(t.assignRows(cache, rows, 1, counts, counts).kind).toBe('rows')
  })

  it('unknown or malformed options of compile', () => {
    for (const options of [{ devise: 1 }, { frozen: 'yes' }, { optimization: 'most' }, { inPlace: 1 }, { device: 'cpu' }]) {
      expect(() => t.compile({}, () => ({}), options as never), JSON.stringify(options)).toThrow(OptionError)
    }
  })
})

describe('sizes with names', () => {
  const names = ['A', 'B', 'C']
  const bindings = new Map([
    ['A', 3],
    ['B', 5],
    ['C', 7],
  ])
  const value = (dimension: Dimension) => evaluateDimension(dimension, bindings)
  const dimension: fc.Arbitrary<Dimension> = fc.letrec<{ size: Dimension }>((tie) => ({
    size: fc.oneof(
      { maxDepth: 3 },
      fc.integer({ min: -4, max: 4 }),
      fc.constantFrom(...names).map((name): Dimension => symbol(name)),
      fc.tuple(tie('size'), tie('size')).map(([a, b]) => addDimensions(a, b)),
      fc.tuple(tie('size'), tie('size')).map(([a, b]) => subtractDimensions(a, b)),
      fc.tuple(tie('size'), tie('size')).map(([a, b]) => multiplyDimensions(a, b)),
    ),
  })).size

  it('add, subtract and multiply as numbers do', () => {
    fc.assert(
      fc.property(dimension, dimension, (a, b) => {
        expect(value(addDimensions(a, b))).toBe(value(a) + value(b))
        expect(value(subtractDimensions(a, b))).toBe(value(a) - value(b))
        expect(value(multiplyDimensions(a, b))).toBeCloseTo(value(a) * value(b), 6)
      }),
      { seed: 1 },
    )
  })

  it('are the same however they were written', () => {
    fc.assert(
      fc.property(dimension, dimension, dimension, (a, b, c) => {
        expect(sameDimension(addDimensions(a, b), addDimensions(b, a))).toBe(true)
        expect(
          sameDimension(
            multiplyDimensions(a, addDimensions(b, c)),
            addDimensions(multiplyDimensions(c, a), multiplyDimensions(a, b)),
          ),
        ).toBe(true)
        expect(sameDimension(subtractDimensions(addDimensions(a, b), b), a)).toBe(true)
      }),
      { seed: 2 },
    )
  })

  it('divide exactly or not at all', () => {
    fc.assert(
      fc.property(dimension, dimension, (a, b) => {
        const quotient = divideDimensions(a, b)
        if (quotient !== undefined) expect(sameDimension(multiplyDimensions(quotient, b), a)).toBe(true)
        const whole = divideDimensions(multiplyDimensions(a, symbol('B')), symbol('B'))
        expect(whole !== undefined && sameDimension(whole, a)).toBe(true)
      }),
      { seed: 3 },
    )
  })

  it('read well, and refuse what is no size', () => {
    expect(formatShape([addDimensions(symbol('T'), 1), multiplyDimensions(2, multiplyDimensions(symbol('T'), symbol('B')))])).toBe(
      '[T+1, 2*B*T]',
    )
    expect(() => symbol('a b')).toThrow(ShapeError)
    for (const size of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => toDimension(size)).toThrow(ShapeError)
  })
})

describe('the interpreter refuses', () => {
  it.each<[string, t.LeafValues, RegExp]>([
    ['a missing value', { inputs: {} }, /input: float32\[2, 3\] x has no value/],
    ['a value of another shape', { inputs: { x: noise('x', [3, 2]) } }, /has shape \[3, 2\]; expected \[2, 3\]/],
    ['too few values', { inputs: { x: { shape: [2, 3], data: new Float64Array(5) } } }, /is given 5 values; expected 6/],
  ])('%s', (_what, leaves, message) => {
    expect(() => t.interpret([t.exp(x)], leaves)).toThrow(message)
  })

  it('sizes that contradict one another', () => {
    const [a, b] = [t.input('a', 'float32', ['N']), t.input('b', 'float32', ['N'])]
    expect(() => t.interpret([t.concat([a, b], 0)], { inputs: { a: noise('a', [2]), b: noise('b', [3]) } })).toThrow(ShapeError)
    const joined = t.input('c', 'float32', [addDimensions(symbol('N'), 1)])
    const sum = t.add(t.pad(a, 0, 0, 1), joined)
    expect(() => t.interpret([sum], { inputs: { a: noise('a', [2]), c: noise('c', [4]) } })).toThrow(/a size N\+1 is 4; expected 3/)
    const back = t.slice(a, 0, -3)
    expect(() => t.interpret([back], { inputs: { a: noise('a', [2]) } })).toThrow(
      /slice at .*graph\.test\.ts:\d+:\d+: N-3 is -1 with N=2/,
    )
  })
})
