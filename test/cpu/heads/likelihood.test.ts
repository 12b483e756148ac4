import { afterAll, beforeAll, expect, it } from 'vitest'
import { ContextError, ShapeError } from '../../../src/base/errors.ts'
import { evaluate } from '../../../src/base/visibility.ts'
import { categoricalHead } from '../../../src/heads/index.ts'
import { negativeLogLikelihood, type Predictor } from '../../../src/objectives/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, float32, fromReference, input, int32 } from '../../../src/tensor/index.ts'
import { NaiveTransformer } from '../../null/nn/naive-transformer.ts'
import { project, randomVariables, rowsOf } from '../../null/nn/oracle.ts'
import { plans, sizes, slots, someIds, tinyTransformer } from '../../null/nn/stepwise.ts'
import { expectNear } from '../../null/tensor/finite-differences.ts'

const batch = 2
let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

const predictor: Predictor = { backbone: tinyTransformer(), head: categoricalHead(sizes.width, sizes.vocabularySize) }
const ids = someIds(batch)
const targets = ids.map((id, i) => (id + 5 * i) % sizes.vocabularySize)

/** log p(target) of every slot by loops in doubles. */
function logProbs(plan: (typeof plans)[string], byName: ReturnType<typeof randomVariables>['byName']): number[] {
  const bits = evaluate(plan.visibility, plan)
  const layer = { attention: { heads: 4, keyValueHeads: 2 }, sees: (q: number, k: number) => bits[q * slots + k] === 1 }
  const backbone = new Map([...byName].map(([name, value]) => [name.replace('backbone.', ''), value]))
  const naive = new NaiveTransformer(backbone)
  return Array.from({ length: batch }, (_, row) => {
    const hidden = naive.forward(ids.slice(row * slots, (row + 1) * slots), plan.position[0]!, [layer, layer])
    return project(hidden, rowsOf(byName.get('head.weight')!)).map((logits, slot) => {
      const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0))
      return logits[targets[row * slots + slot]!]! - total
    })
  }).flat()
}

it.each(Object.keys(plans))('is the mean over what a %s plan predicts, weighted by the plan and without padding', async (name) => {
  const { variables, byName } = randomVariables(predictor)
  for (const [variable, value] of variables) await variable.write(fromReference(value, 'float32').data)
  // Loss weights of the plan's own, beside those that it has 0 for.
  const plan = { ...plans[name]!, weight: plans[name]!.weight.map((weight, slot) => weight * (1 + slot / 4)) }
  const kept = (i: number) => Number(i % slots < (i < slots ? slots : 5))
  const program = compile(
    { ids: int32(batch, slots), targets: int32(batch, slots), weights: float32(batch, slots) },
    (given) => ({ loss: negativeLogLikelihood(predictor, plan, given.ids, given.targets, given.weights) }),
    { device },
  )
  const { loss } = await program.run({
    ids: Int32Array.from(ids),
    targets: Int32Array.from(targets),
    weights: Float32Array.from(ids, (_, i) => kept(i)),
  })
  const counted = ids.map((_, i) => plan.weight[i % slots]! * kept(i))
  const sum = logProbs(plan, byName).reduce((total, logProb, i) => total + logProb * counted[i]!, 0)
  const expected = -sum / counted.reduce((total, weight) => total + weight, 0)
  expect(loss.shape).toEqual([])
  expectNear(loss.data as Float32Array, [expected], 'loss', 1e-5)
})

it.each([
  ['ids of another length', { ids: [batch, slots - 1] }, ShapeError],
  ['targets of another length', { targets: [batch, slots - 1] }, ShapeError],
  ['targets of fewer rows', { targets: [1, slots] }, ShapeError],
  ['weights of one row', { weights: [1, slots] }, ShapeError],
  ['weights per row', { weights: [batch, 1] }, ShapeError],
  ['a single weight', { weights: [] }, ShapeError],
])('refuses %s', (_name, shapes: Partial<Record<'ids' | 'targets' | 'weights', number[]>>, error) => {
  const leaf = (name: 'ids' | 'targets' | 'weights', dtype: 'int32' | 'float32') =>
    input(name, dtype, shapes[name] ?? [batch, slots])
  const build = () =>
    negativeLogLikelihood(predictor, plans.causal!, leaf('ids', 'int32'), leaf('targets', 'int32'), leaf('weights', 'float32'))
  expect(build).toThrow(error)
})

it('refuses positions beyond the context', () => {
  const small = { ...predictor, backbone: tinyTransformer({ context: slots - 1 }) }
  const leaf = (dtype: 'int32' | 'float32') => input('x', dtype, [batch, slots])
  expect(() => negativeLogLikelihood(small, plans.causal!, leaf('int32'), leaf('int32'), leaf('float32'))).toThrow(ContextError)
})
