import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRng, openDevice } from 'nextx'
import type { LabelledPictures } from 'nextx/data'
import type { Device } from 'nextx/platform'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPictureJudge } from '../../../bench/lib/picture-metrics.ts'
import { sampleAtCost } from '../../../bench/lib/sampling-cost.ts'

let device: Device
const folder = mkdtempSync(join(tmpdir(), 'picture-judges-'))
beforeAll(async () => {
  device = await openDevice({ threads: 1, worker: false })
})
afterAll(async () => {
  await device[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const side = 8

/** Light pictures with a bright half above or below, at a strength that varies. */
function halves(count: number, seed: number, strength = 80): LabelledPictures {
  const rng = createRng(seed)
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2)
  const pixels = Uint8Array.from({ length: count * side * side }, (_, i) => {
    const picture = Math.floor(i / side ** 2)
    const above = Math.floor(i / side) % side < side / 2
    const bright = above === (labels[picture] === 0)
    return 100 + (bright ? strength + 30 * rng.fold('strength').uniformAt(picture) : 0) + 20 * rng.uniformAt(i)
  })
  return { count, channels: 1, height: side, width: side, pixels, labels, classes: ['above', 'below'] }
}

test('real pictures are at the floor, others are not; classifiers are trained once for the same pictures', async () => {
  const set = { train: halves(200, 1), test: halves(400, 2) }
  const open = () => openPictureJudge(set, { device, steps: 25, folder })
  await using judge = await open()
  const kept = readdirSync(folder)
  expect(kept).toHaveLength(2)
  const written = kept.map((name) => statSync(join(folder, name)).mtimeMs)
  expect(judge.heldOut).toEqual({ features: 1, accuracy: 1 })
  const good = await judge.score(halves(200, 3))
  const wrong = await judge.score({ ...halves(200, 3), labels: halves(200, 3).labels.map((label) => 1 - label) })
  const faint = await judge.score(halves(200, 3, 30))
  expect(good.accuracy).toBe(1)
  expect(good.frechetDistance).toBeLessThan(10 * good.floor)
  expect(wrong).toEqual({ ...good, accuracy: 0 })
  expect(faint.floor).toBe(good.floor)
  expect(faint.frechetDistance).toBeGreaterThan(100 * good.frechetDistance)

  await using again = await open()
  expect(await again.score(halves(200, 3))).toEqual(good)
  expect(kept.map((name) => statSync(join(folder, name)).mtimeMs)).toEqual(written)
  await (await openPictureJudge({ ...set, train: halves(200, 4) }, { device, steps: 25, folder }))[Symbol.asyncDispose]()
  expect(readdirSync(folder)).toHaveLength(4)
})

test('sampling is timed per picture, and counts the calls of its own run', async () => {
  const evaluations = { backbone: 5, head: 7 }
  async function* sample({ labels }: { readonly labels: Int32Array }) {
    for (let step = 1; step <= labels.length; step++) {
      evaluations.backbone += 1
      evaluations.head += 10
      yield step
    }
  }
  const cost = await sampleAtCost({ evaluations, sample }, { labels: new Int32Array(4) })
  expect(cost.last).toBe(4)
  expect(cost.evaluations).toEqual({ backbone: 4, head: 40 })
  expect(cost.secondsPerPicture).toBeGreaterThan(0)
})
