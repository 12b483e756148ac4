import { accuracyOf, distanceOf, type Found, gate, medianOf, pictureBench } from './image/compare.ts'

/** Nats per number of pictures from −1 to 1, as bits of an 8-bit pixel. */
const bits = (nats: number) => (nats + Math.log(127.5)) / Math.log(2)

const bitsOf = ({ outcomes }: Found, arm: string) => bits(medianOf(outcomes[arm]!.map(({ validationLoss }) => validationLoss)))

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
        bitsOf(found, 'starflow-digits'),
        '≤ 1.1',
      ),
      gate('garments, held out: bits/dim', bitsOf(found, 'starflow'), '≤ 3.2'),
      gate('garments from latents: ACC, %', accuracyOf(found, 'starflow-latents'), '≥ 70'),
      gate('garments from latents: FD64', distanceOf(found, 'starflow-latents'), '≤ 60'),
      gate('guidance 2 − none: ACC, points', accuracyOf(found, 'starflow-latents') - unguided.ACC.median, '≥ 5'),
      gate('guidance 4, affine / linear rule: FD64', affine.FD64.median / linear.FD64.median, '≤ 1'),
    ]
  },
  notes: [
    'Published figures as in Grathwohl et al. 2019 (FFJORD), table 2, of models trained for days',
    'Invertibility, the log-determinant against a numeric Jacobian, and the integral of a 2-D density are held by tests',
    'Not run: a pixel model of the same size, blocks of equal depth. The limits for garments are our own aims',
  ],
})
