import { scoreImages } from 'nextx/systems'
import { accuracyOf, distanceOf, pictureBench } from './image/compare.ts'
import { type DataName, first, openArmDevice, pictureSet } from './image/setup.ts'
import { armModel } from './image/train-arm.ts'
import { gate } from './lib/gate.ts'

/** Bits a pixel of held-out pictures, without being told their class. */
async function bitsOf(name: string, data: DataName, quick: boolean): Promise<number> {
  await using device = await openArmDevice()
  await using model = await armModel({ name, seed: 1, quick }, device)
  const { test } = await pictureSet(data)
  const { bitsPerDimension } = await scoreImages(model, first(test, quick ? 100 : 2000), { seed: 1 })
  return bitsPerDimension!
}

export const bench = pictureBench({
  title: 'STARFlow / TARFlow: exact likelihood of 28×28 pixels, and samples by a flow over latents',
  cards: ['71'],
  arms: ['starflow', 'starflow-digits', 'starflow-latents'],
  seeds: [1],
  timed: { starflow: { arm: 'starflow' }, 'starflow-latents': { arm: 'starflow-latents' } },
  async gates(found) {
    const unguided = await found.scores('starflow-latents', {})
    const linear = await found.scores('starflow-latents', { guidance: 4, special: { rule: 'linear' } })
    const affine = await found.scores('starflow-latents', { guidance: 4 })
    return [
      gate(
        'digits, held out: bits/dim (published, on 60,000 digits: Real NVP 1.06, Glow 1.05)',
        await bitsOf('starflow-digits', 'digits', found.quick),
        '≤ 1.1',
      ),
      gate('garments, held out: bits/dim', await bitsOf('starflow', 'fashion', found.quick), '≤ 3.2'),
      gate('garments from latents: ACC, %', accuracyOf(found, 'starflow-latents'), '≥ 70'),
      gate('garments from latents: FD64', distanceOf(found, 'starflow-latents'), '≤ 60'),
      gate('guidance 2 − none: ACC, points', accuracyOf(found, 'starflow-latents') - unguided.ACC.median, '≥ 5'),
      gate('guidance 4, affine / linear rule: FD64', affine.FD64.median / linear.FD64.median, '≤ 1'),
    ]
  },
  notes: [
    'Bits of 2,000 held-out pictures, unconditional, uniform dequantisation. Published figures as we remember Grathwohl et al. 2019 (FFJORD), table 2, of models trained for days',
    'Invertibility, the log-determinant against a numeric Jacobian, and the integral of a 2-D density are held by tests',
    'Not run: a pixel model of the same size, blocks of equal depth. The limits for garments are our own aims',
  ],
})
