import { Command } from 'commander'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { checkpointFolder, fitOptions } from '../../../src/cli/actions/train-settings.ts'
import { registerTrain, type TrainFlags } from '../../../src/cli/train.ts'
import { variable } from '../../../src/tensor/index.ts'

const trainAction = vi.hoisted(() => vi.fn<(flags: TrainFlags) => void>())
vi.mock('../../../src/cli/actions/train.ts', () => ({ trainAction }))
beforeEach(() => trainAction.mockReset())

async function flagsOf(...args: string[]): Promise<TrainFlags> {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  registerTrain(program)
  await program.parseAsync(['train', '--data', 'x.txt', ...args], { from: 'user' })
  return trainAction.mock.lastCall![0]
}

/** The learning rate before each update. */
async function rates(width: number, ...args: string[]): Promise<number[]> {
  const { learningRate, steps } = fitOptions(await flagsOf(...args), width)
  return Array.from({ length: steps }, (_, step) => (typeof learningRate === 'number' ? learningRate : learningRate(step)))
}

describe('the learning rate', () => {
  test('rises for a twentieth of the steps, and falls along a cosine', async () => {
    const found = await rates(128, '--steps', '100')
    const expected = Array.from({ length: 100 }, (_, s) => (s < 5 ? (s + 1) / 6 : (1 + Math.cos((Math.PI * (s - 5)) / 95)) / 2))
    for (const [step, rate] of found.entries()) expect(rate).toBeCloseTo(0.003 * expected[step]!, 9)
  })

  test('is constant or warm, stable and decaying on request', async () => {
    const steps = ['--steps', '10', '--learning-rate', '1', '--warmup', '1']
    expect(await rates(128, ...steps, '--schedule', 'constant')).toEqual([0.5, ...Array<number>(9).fill(1)])
    expect(await rates(128, ...steps, '--schedule', 'wsd')).toEqual([0.5, ...Array<number>(8).fill(1), 0.5])
  })

  test.each([
    ['adamw', 128, 0.003],
    ['adamw', 768, 0.0005],
    ['muon', 256, 0.0015],
    ['lion', 128, 0.0006],
  ])('for %s and width %i it peaks at %f unless told otherwise', async (optimizer, width, peak) => {
    expect(Math.max(...(await rates(width, '--optimizer', optimizer)))).toBeCloseTo(peak, 9)
  })
})

test('every update rule has the state that marks it', async () => {
  const matrix = variable({ shape: [2, 2], name: 'layers.0.weight' })
  const stateOf = async (name: string) =>
    fitOptions(await flagsOf('--optimizer', name), 128).optimizer!([matrix]).state.map((each) => each.name)
  expect(await stateOf('adamw')).toContain('optimizer.layers.0.weight.v')
  expect(await stateOf('lion')).toEqual(['optimizer.layers.0.weight.m'])
  expect(await stateOf('muon')).toContain('optimizer.layers.0.weight.momentum')
})

test('the rest is handed on', async () => {
  const plain = fitOptions(await flagsOf(), 128)
  expect(plain).toMatchObject({
    steps: 1000,
    clip: 1,
    accumulate: 1,
    validateEvery: 100,
    checkpointEvery: 100,
    resume: 'never',
    folder: 'model-checkpoints',
  })
  expect(plain).not.toHaveProperty('average')
  expect(plain).not.toHaveProperty('log')
  const all = ['--steps', '7', '--clip', '0.5', '--accumulate', '3', '--resume', '--out', 'a/b/', '--log', 'l', '--ema', '0.9']
  const given = fitOptions(await flagsOf(...all, '--checkpoint-every', '2'), 128)
  expect(given).toMatchObject({
    steps: 7,
    clip: 0.5,
    accumulate: 3,
    validateEvery: 1,
    checkpointEvery: 2,
    resume: 'auto',
    folder: 'a/b-checkpoints',
    log: 'l',
  })
  expect(given.average).toBeTypeOf('function')
  expect(checkpointFolder({ out: 'a' })).toBe('a-checkpoints')
})

test('tokenizers and files', async () => {
  const { data, tokenizer } = await flagsOf('a', 'b', '--data', '!c')
  expect([data, tokenizer]).toEqual([['x.txt', 'a', 'b', '!c'], undefined])
  const parse = async (text: string) => (await flagsOf('--tokenizer', text)).tokenizer
  expect([await parse('bytes'), await parse('bpe:512'), await parse('t.json')]).toEqual(['bytes', { bpe: 512 }, { path: 't.json' }])
})

test.each([
  ['--learning-rate', '-1'],
  ['--steps', '0'],
  ['--tokenizer', 'bpe:255'],
  ['--tokenizer', 'bpe:'],
  ['--tokenizer', ''],
  ['--schedule', 'linear'],
  ['--optimizer', 'sgd'],
  ['--format', 'csv'],
  ['--field', 'x'],
  ['--validation', '0'],
  ['--ema', '1'],
  ['--sample-promt', 'x'],
])('%s %s is wrong usage', async (...args) => {
  await expect(flagsOf(...args)).rejects.toMatchObject({ name: 'CommanderError' })
})
