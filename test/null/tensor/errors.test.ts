import { describe, expect, it } from 'vitest'
import { DTypeError, GraphError, NextxError, OptionError, ShapeError } from '../../../src/base/errors.ts'
import { causal } from '../../../src/base/visibility.ts'
import { categoricalLogProb } from '../../../src/heads/index.ts'
import { gelu as geluMlp, Linear, layerNorm, learned, Transformer } from '../../../src/nn/index.ts'
import * as t from '../../../src/tensor/index.ts'
import { captureSite, siteLine } from '../../../src/tensor/site.ts'

const x = t.input('x', 'float32', ['N', 3])
const ids = t.input('ids', 'int32', ['N'])

/** What `act` throws, and the line that calls it. */
function caught(act: () => unknown): NextxError {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(NextxError)
    return error as NextxError
  }
  return expect.fail('nothing was thrown')
}

/** Line and column of the caller in this file, as V8 has it. */
function here(): string {
  const frames = new Error('here').stack!.split('\n')
  return frames[2]!.match(/errors\.test\.ts:(\d+):/)![1]!
}

describe('a mistake names the op, its operands and the line of the caller', () => {
  const mistakes: Record<string, { act: () => unknown; type: new (message: string) => NextxError; message: RegExp }> = {
    'shapes that do not broadcast': {
      act: () => t.add(x, t.constant([1, 2], [2])),
      type: ShapeError,
      message:
        /^add\(float32\[N, 3\], float32\[2\]\) at .*: shapes \[N, 3\] and \[2\] do not broadcast \(3 against 2\); expected equal sizes/,
    },
    'two dtypes': {
      act: () => t.multiply(x, ids),
      type: DTypeError,
      message:
        /^multiply\(float32\[N, 3\], int32\[N\]\) at .*: operands are float32 and int32; expected equal dtypes; convert one with cast\(\)/,
    },
    'a dtype without the op': {
      act: () => t.exp(ids),
      type: DTypeError,
      message: /^exp\(int32\[N\]\) at .*: no int32 form; expected a float dtype/,
    },
    'inner sizes': {
      act: () => t.matmul(x, x),
      type: ShapeError,
      message: /^matmul\(float32\[N, 3\], float32\[N, 3\]\) at .*: inner sizes 3 and N/,
    },
    'an axis': {
      act: () => t.softmax(x, 2),
      type: ShapeError,
      message: /^softmax\(float32\[N, 3\]\) at .*: axis 2 does not exist; expected an integer in \[-2, 1\]/,
    },
    'half an axis': { act: () => t.argmax(x, 0.5), type: ShapeError, message: /axis 0\.5 does not exist/ },
    'an axis twice': {
      act: () => t.sum(x, [1, -1]),
      type: ShapeError,
      message: /^sum\(float32\[N, 3\]\) at .*: axes \[1,-1\] of \[N, 3\] repeat/,
    },
    'a reshape': {
      act: () => t.reshape(x, [4]),
      type: ShapeError,
      message: /^reshape\(float32\[N, 3\]\) at .*: cannot reshape \[N, 3\] to \[4\]; expected equally many elements/,
    },
    'a size that cannot be inferred': {
      act: () => t.reshape(x, [-1, 2]),
      type: ShapeError,
      message: /cannot infer -1 when reshaping \[N, 3\] to \[-1, 2\]/,
    },
    'two unknown sizes': {
      act: () => t.reshape(x, [-1, -1]),
      type: ShapeError,
      message: /-1 is not a dimension; expected an integer ≥ 0/,
    },
    'a permutation': { act: () => t.transpose(x, [0, 0]), type: ShapeError, message: /^transpose\(.*\[0,0\] does not permute/ },
    'no two axes to swap': {
      act: () => t.transpose(ids),
      type: ShapeError,
      message: /^transpose\(int32\[N\]\) at .*: a tensor of rank 1 has no two axes/,
    },
    'a slice': { act: () => t.slice(x, 1, 2, 5), type: ShapeError, message: /^slice\(.*\[2, 5\) is not inside axis 1 of \[N, 3\]/ },
    'a slice that ends before it starts': {
      act: () => t.slice(x, 1, 2, 1),
      type: ShapeError,
      message: /integers 0 ≤ start ≤ end ≤ size/,
    },
    'half a slice': { act: () => t.slice(x, 1, 0, 1.5), type: ShapeError, message: /integers 0 ≤ start ≤ end ≤ size/ },
    'a negative padding': {
      act: () => t.pad(x, 1, -1, 0),
      type: ShapeError,
      message: /^pad\(.*-1 before and 0 after; expected integers ≥ 0/,
    },
    'a joint': {
      act: () => t.concat([x, t.constant([1, 2], [1, 2])], 0),
      type: ShapeError,
      message: /^concat\(float32\[N, 3\], float32\[1, 2\]\) at .*: cannot join/,
    },
    'nothing to join': { act: () => t.concat([], 0), type: ShapeError, message: /^concat\(\) at .*: nothing to join/ },
    pieces: { act: () => t.split(x, 1, 2), type: ShapeError, message: /^split\(.*: 3 does not split into 2 equal pieces/ },
    'pieces that do not cover': {
      act: () => t.split(x, 1, [1, 1]),
      type: ShapeError,
      message: /pieces \[1, 1\] do not add up to 3/,
    },
    'an axis that is no 1': {
      act: () => t.squeeze(x, 1),
      type: ShapeError,
      message: /^squeeze\(.*: axis 1 has size 3; expected 1/,
    },
    'an expansion': {
      act: () => t.expand(x, [5, 2]),
      type: ShapeError,
      message: /^expand\(.*: shapes \[N, 3\] and \[5, 2\] do not broadcast/,
    },
    'float indices': {
      act: () => t.gather(x, x),
      type: DTypeError,
      message: /^gather\(.*: indices are float32; expected int32 or int64/,
    },
    'indices of another rank': {
      act: () => t.gatherElements(x, ids),
      type: ShapeError,
      message: /^gatherElements\(.*: indices \[N\] do not fit values \[N, 3\]/,
    },
    'updates of another shape': {
      act: () => t.scatterElements(x, t.unsqueeze(ids, 1), x),
      type: ShapeError,
      message: /^scatterElements\(.*: updates float32\[N, 3\] do not fit/,
    },
    'too large a k': { act: () => t.topK(x, 4), type: ShapeError, message: /^topKIndices\(.*: k = 4 on an axis of size 3/ },
    'no classes': { act: () => t.oneHot(ids, 0), type: ShapeError, message: /^oneHot\(int32\[N\]\) at .*: 0 classes/ },
    'a scale of another width': {
      act: () => t.rmsNorm(x, t.constant([1], [1]), 1e-5),
      type: ShapeError,
      message: /^rmsNorm\(.*: scale or bias float32\[1\] does not fit; expected float32\[3\]/,
    },
    'a negative epsilon': {
      act: () => t.layerNorm(x, t.constant([1, 1, 1], [3]), undefined, -1),
      type: OptionError,
      message: /^layerNorm\(.*: epsilon is -1/,
    },
    'a mean of integers': { act: () => t.mean(ids), type: DTypeError, message: /^mean\(int32\[N\]\) at .*: no int32 form/ },
    'a fraction as an integer': {
      act: () => t.add(ids, 0.5),
      type: DTypeError,
      message: /^scalar\(\) at .*: int32 does not hold 0\.5/,
    },
    'a condition that is none': {
      act: () => t.where(x, x, 0),
      type: DTypeError,
      message: /^where\(.*: no float32 form; expected a bool dtype/,
    },
    'an unknown option of matmul': {
      act: () => t.matmul(x, x, { transposedB: true } as t.MatmulOptions),
      type: OptionError,
      message: /^matmul\(.*: unknown matmul option 'transposedB'; expected transposeA, transposeB, scale/,
    },
    'an unknown option of a reduction': {
      act: () => t.sum(x, 0, { keepDims: true } as t.ReduceOptions),
      type: OptionError,
      message: /^sum\(.*: unknown reduction option 'keepDims'/,
    },
    'targets of another rank': {
      act: () => categoricalLogProb(x, x),
      type: ShapeError,
      message: /targets float32\[N, 3\] for logits float32\[N, 3\]/,
    },
    'an assignment of another type': {
      act: () => t.assign(t.variable({ shape: [3], name: 'w' }), x),
      type: ShapeError,
      message: /cannot assign float32\[N, 3\] to variable w; expected float32\[3\]/,
    },
  }

  it.each(Object.entries(mistakes))('%s', (_what, { act, type, message }) => {
    const error = caught(act)
    expect(error).toBeInstanceOf(type)
    expect(error.message).toMatch(message)
    expect(error.message.match(/errors\.test\.ts/g)?.length ?? 0, error.message).toBeLessThanOrEqual(1)
  })

  it('and the line is right, directly and through modules', () => {
    const sizes = { vocabularySize: 5, context: 8, width: 4, layers: 2, attention: { heads: 2 } }
    const model = new Transformer({ ...sizes, mlp: geluMlp(8), norm: layerNorm(), positions: learned() })
    const columns = { group: t.input('g', 'int32', [1, 7]) }
    const embedded = t.input('e', 'float32', ['B', 6, 4])
    const slots = { embedded, position: t.input('p', 'int32', [1, 6]), columns, visibility: causal }
    const calls = [
      [here(), () => t.add(x, t.constant([1, 2], [2]))],
      [here(), () => t.softmax(x, 7)],
      [here(), () => new Linear(4, 2).forward(x)],
      [here(), () => layerNorm()(4).forward(x)],
      [here(), () => model.forward(slots)],
    ] as const
    for (const [line, act] of calls) expect(caught(act).message.match(/errors\.test\.ts:(\d+):\d+: /)?.[1]).toBe(line)
  })
})

describe('the line of a site', () => {
  const root = new URL('../../../src/', import.meta.url).pathname
  const stack = (...frames: string[]) => ({ stack: ['Error', ...frames.map((frame) => `    at ${frame}`)].join('\n') })

  it('is the first one outside the package, whatever its folders are called', () => {
    const own = [
      `add (${root}tensor/ops/elementwise.ts:9:1)`,
      `Array.map (<anonymous>)`,
      `Linear.forward (file://${root}nn/linear.ts:3:2)`,
    ]
    for (const place of [
      '/home/me/src/tensor/model.ts:4:5',
      'file:///home/me/dist/nn/a%20b.js:4:5',
      '/home/me/my work (new)/a.ts:4:5',
      'C:\\me\\src\\nn\\a.ts:4:5',
    ]) {
      expect(siteLine(stack(...own, `main (${place})`, 'node:internal/main:1:1'))).toBe(place)
      expect(siteLine(stack(...own, `async main (${place})`))).toBe(place)
      expect(siteLine(stack(...own, place, 'run (/other.ts:1:1)'))).toBe(place)
    }
  })

  it('is the outermost one inside, where there is no other', () => {
    expect(siteLine(stack(`f (${root}tensor/a.ts:1:1)`, `g (${root}cli/main.ts:2:2)`, 'node:internal/x:1:1'))).toBe(
      `${root}cli/main.ts:2:2`,
    )
    expect(siteLine({})).toBeUndefined()
    expect(siteLine({ stack: 'Error: no frames' })).toBeUndefined()
  })

  it('reaches through deep stacks, and leaves the depth of other errors as it was', () => {
    const before = Error.stackTraceLimit
    const deep = (depth: number): ReturnType<typeof captureSite> => (depth === 0 ? captureSite() : deep(depth - 1))
    expect(deep(30).stack!.split('\n').length).toBeGreaterThan(20)
    expect(Error.stackTraceLimit).toBe(before)
  })
})

describe('what is no tensor', () => {
  it.each([undefined, null, {}, 'x', [1, 2]])('%s is refused with the line', (value) => {
    const error = caught(() => t.exp(value as never))
    expect(error).toBeInstanceOf(GraphError)
    expect(error.message).toMatch(/is not a tensor; expected a Tensor or a Variable; called at .*errors\.test\.ts/)
  })

  it('numbers alone are refused', () => {
    expect(caught(() => t.add(1, 2)).message).toMatch(
      /an operation on numbers alone is not traced; expected at least one tensor; use scalar/,
    )
  })
})

describe('constants', () => {
  it.each([
    ['too few values', () => t.constant([1, 2], [3]), ShapeError],
    ['a fraction as an integer', () => t.constant([1.5], [1], 'int32'), DTypeError],
    ['an integer beyond its dtype', () => t.constant([2 ** 31], [1], 'int32'), DTypeError],
    ['NaN as an integer', () => t.constant([Number.NaN], [1], 'int64'), DTypeError],
    ['2 as a bool', () => t.constant([2], [1], 'bool'), DTypeError],
    ['an array of another dtype', () => t.constant(Float32Array.of(1), [1], 'float64'), DTypeError],
  ])('refuse %s', (_what, act, type) => {
    expect(caught(act)).toBeInstanceOf(type)
  })

  it('of half floats keep their value', () => {
    const [value] = t.interpret([t.constant([1.5, -2], [2], 'float16')], { inputs: {} })
    expect(Array.from(value!.data)).toEqual([1.5, -2])
  })
})
