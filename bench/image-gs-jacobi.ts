import { generateCodes } from 'nextx/systems'
import { pictureBench, ratioOf } from './image/compare.ts'
import { openArmDevice } from './image/setup.ts'
import { armModel } from './image/train-arm.ts'
import { gate } from './lib/gate.ts'

const auto = { special: { inverse: 'auto' } }

/** Largest difference of a pixel value (−1 to 1) between two ways of inverting the same noise, for so many pictures at once, classes in turn. */
async function largestDifference(count: number, quick: boolean): Promise<number> {
  await using device = await openArmDevice()
  await using model = await armModel({ name: 'starflow', seed: 1, quick }, device)
  const classes = Array.from({ length: count }, (_, i) => i % model.classes.length)
  const draw = async (sampling: object) => (await generateCodes(model, { classes, seed: 3, ...sampling })).data as Float32Array
  const [sequential, parallel] = [await draw({}), await draw(auto)]
  return parallel.reduce((most, value, i) => Math.max(most, Math.abs(value - sequential[i]!)), 0)
}

export const bench = pictureBench({
  title: 'GS-Jacobi: parallel inversion of a flow of 8 blocks over 49 patches, the same weights and noise',
  cards: ['87'],
  arms: ['starflow'],
  seeds: [1],
  timed: { sequential: { arm: 'starflow' }, auto: { arm: 'starflow', sampling: auto } },
  ratios: { 'sequential / auto time a picture': ['sequential', 'auto'] },
  async gates({ quick, one, many }) {
    return [
      gate('largest difference of a pixel value, one picture', await largestDifference(1, quick), '≤ 0.001', true),
      gate('largest difference of a pixel value, 16 pictures', await largestDifference(16, quick), '≤ 0.001', true),
      gate('sequential / auto time a picture, batch 1', ratioOf(one.sequential!, one.auto!).median, '≥ 2'),
      gate('sequential / auto time a picture, batch 16', ratioOf(many.sequential!, many.auto!).median, '≥ 2'),
      gate('sequential / auto network calls, batch 1', one.sequential!.backboneCalls / one.auto!.backboneCalls, '≥ 3'),
    ]
  },
  notes: [
    'Network calls are those of single blocks; auto calibrates at its first call, which costs more than a picture and is not timed',
  ],
})
