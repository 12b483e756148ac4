import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LabelledPictures } from '../../../src/base/pictures.ts'
import { createRng } from '../../../src/base/rng.ts'
import { shifted } from '../../../src/data/index.ts'
import { accuracy, classifierTask, classify, PictureClassifier } from '../../../src/metrics/index.ts'
import { initialize, namedVariables } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { fit } from '../../../src/train/index.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ threads: 1, worker: false })
})
afterAll(() => device[Symbol.asyncDispose]())

const side = 9
const size = { channels: 1, height: side, width: side }

/** Stripes across, down, or aslant under noise: three classes. */
function stripes(count: number, seed: number): LabelledPictures {
  const rng = createRng(seed)
  const labels = Int32Array.from({ length: count }, (_, i) => rng.fold('label').integerAt(i, 3))
  const pixels = Uint8Array.from({ length: count * side * side }, (_, i) => {
    const picture = Math.floor(i / side ** 2)
    const [y, x] = [Math.floor(i / side) % side, i % side]
    const along = [y, x, x + y][labels[picture]!]! + rng.fold('phase').integerAt(picture, 4)
    return Math.min(255, Math.max(0, (along % 4 < 2 ? 180 : 70) + 30 * rng.fold('noise').normalAt(i)))
  })
  return { count, ...size, pixels, labels, classes: ['across', 'down', 'aslant'] }
}

async function fresh(seed = 1): Promise<PictureClassifier> {
  const classifier = new PictureClassifier({ ...size, classes: 3 })
  await initialize(classifier, createRng(seed))
  return classifier
}

describe('a classifier', () => {
  test('learns to tell stripes apart that it has not seen', async () => {
    const [classifier, held] = [await fresh(), stripes(200, 2)]
    const before = accuracy((await classify(classifier, held, { device })).labels, held.labels)
    const task = classifierTask(classifier, stripes(300, 1), { batch: 16, seed: 3 })
    await fit(task, { device, steps: 60, learningRate: 3e-3 })
    const after = accuracy((await classify(classifier, held, { device })).labels, held.labels)
    expect(before).toBeLessThan(0.6)
    expect(after).toBeGreaterThan(0.95)
  })

  test('gives a picture the same features and label, whatever its company; labels are those of the head', async () => {
    const [classifier, pictures] = [await fresh(), stripes(7, 4)]
    const alone = await classify(classifier, pictures, { device, batch: 1 })
    const together = await classify(classifier, pictures, { device, batch: 4 })
    expect(together.features).toMatchObject({ count: 7, width: 64 })
    together.features.values.forEach((value, i) => {
      expect(value).toBeCloseTo(alone.features.values[i]!, 5)
    })
    const head = await namedVariables(classifier).get('head.weight')!.read()
    const logit = (picture: number, label: number) =>
      Array.from({ length: 64 }, (_, i) => Number(head[label * 64 + i]) * together.features.values[picture * 64 + i]!).reduce(
        (a, b) => a + b,
      )
    for (let picture = 0; picture < 7; picture++) {
      const logits = [0, 1, 2].map((label) => logit(picture, label))
      expect(together.labels[picture]).toBe(logits.indexOf(Math.max(...logits)))
    }
    expect(Array.from(together.labels)).toEqual(Array.from(alone.labels))
  })

  test('that prefers no class costs log 3 nats a picture', async () => {
    const classifier = await fresh()
    await namedVariables(classifier)
      .get('head.weight')!
      .write(new Float32Array(3 * 64))
    const report = await fit(classifierTask(classifier, stripes(20, 1), { batch: 8, seed: 1 }), {
      device,
      steps: 1,
      learningRate: 0,
    })
    expect(report.loss).toBeCloseTo(Math.log(3), 5)
  })

  test('refuses pictures and labels of other kinds', async () => {
    const [classifier, pictures] = [await fresh(), stripes(4, 1)]
    const wide = { ...pictures, width: 3, height: 27 }
    await expect(classify(classifier, wide, { device })).rejects.toThrow(/\[1, 27, 3\]; expected \[1, 9, 9\]/)
    await expect(classify(classifier, { ...pictures, count: 0 }, { device })).rejects.toThrow(/no pictures/)
    await expect(classify(classifier, { ...pictures, count: 5 }, { device })).rejects.toThrow(/\[5, 1, 9, 9\] of 324 pixels/)
    await expect(classify(classifier, pictures, { device, batch: 0 })).rejects.toThrow(/batch is 0/)
    const task = (changes: Partial<LabelledPictures>) => () =>
      classifierTask(classifier, { ...pictures, ...changes }, { batch: 2, seed: 1 })
    expect(task({ labels: Int32Array.of(0, 1, 3, 0) })).toThrow(/picture 2 has label 3; expected 0 to 2/)
    expect(task({ labels: Int32Array.of(0) })).toThrow(/1 labels for 4/)
    expect(() => new PictureClassifier({ ...size, classes: 0 })).toThrow(/classes is 0/)
  })
})

test('batches depend on their step alone, and every epoch has each picture once', () => {
  const pictures = stripes(12, 5)
  const marked = { ...pictures, pixels: pictures.pixels.map((_, i) => Math.floor(i / side ** 2)) }
  const task = classifierTask(new PictureClassifier({ ...size, classes: 3 }), marked, { batch: 4, seed: 9 })
  const pictured = (step: number) => {
    const { pictures: values, labels } = task.batchAt(step) as { pictures: Float32Array; labels: Int32Array }
    return Array.from({ length: 4 }, (_, row) => {
      const index = Math.round((values[row * side ** 2]! + 1) * 127.5)
      expect(labels[row]).toBe(pictures.labels[index])
      return index
    })
  }
  const epochs = [0, 3].map((first) => [0, 1, 2].flatMap((step) => pictured(first + step)))
  for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i))
  expect(epochs[1]).not.toEqual(epochs[0])
  expect(pictured(1)).toEqual(epochs[0]!.slice(4, 8))
})

test('pictures are changed anew each time they are seen, in the same way each time a step is asked for', () => {
  const draws = { batch: 4, seed: 9, augmentations: [shifted({ by: 2, background: 255 })] }
  const [classifier, pictures] = [new PictureClassifier({ ...size, classes: 3 }), stripes(4, 5)]
  const [plain, changed] = [
    classifierTask(classifier, pictures, { batch: 4, seed: 9 }),
    classifierTask(classifier, pictures, draws),
  ]
  const values = (task: typeof plain, step: number) => task.batchAt(step).pictures as Float32Array
  expect(values(changed, 3)).toEqual(values(changed, 3))
  expect(values(changed, 0)).not.toEqual(values(plain, 0))
  // The middle of a picture that moved by (top, left) is the middle of its original, moved.
  const middles = (from: Float32Array, row: number, [top, left]: readonly [number, number]) =>
    [3, 4, 5].map((y) => [3, 4, 5].map((x) => from[row * side ** 2 + (y + top) * side + x + left]))
  const moves = Array.from({ length: 25 }, (_, i) => [Math.floor(i / 5) - 2, (i % 5) - 2] as const)
  for (let row = 0; row < 4; row++) {
    const found = middles(values(changed, 0), row, [0, 0])
    expect(moves.filter((move) => String(middles(values(plain, 0), row, move)) === String(found))).toHaveLength(1)
  }
})

test('accuracy is the share of equal labels', () => {
  expect(accuracy([1, 2, 3, 4], Int32Array.of(1, 0, 3, 4))).toBe(0.75)
  expect(() => accuracy([], [])).toThrow(/some/)
  expect(() => accuracy([1], [1, 2])).toThrow(/as many/)
})
