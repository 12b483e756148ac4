import { Command, CommanderError } from 'commander'
import { beforeEach, expect, test, vi } from 'vitest'
import { generateOptionNames } from '../../../src/decode/continuation.ts'

const generateAction = vi.hoisted(() => vi.fn())
vi.mock('../../../src/cli/actions/generate.ts', async (original) => ({ ...(await original<object>()), generateAction }))

const { registerGenerate } = await import('../../../src/cli/generate.ts')
const { contextOf } = await import('../../../src/cli/context-flags.ts')
const { optionsOf } = await import('../../../src/cli/actions/generate.ts')

beforeEach(() => generateAction.mockReset())

/** The library's options for these arguments. */
async function optionsFor(...args: string[]) {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
  registerGenerate(program)
  await program.parseAsync(['generate', 'model', 'prompt', ...args], { from: 'user' })
  const [model, prompt, flags] = generateAction.mock.lastCall!
  expect([model, prompt]).toEqual(['model', 'prompt'])
  return optionsOf(flags)
}

const cases: readonly (readonly [args: string[], option: string, value: unknown])[] = [
  [['--max-tokens', '5'], 'maxTokens', 5],
  [['-n', '5'], 'maxTokens', 5],
  [['--temperature', '0'], 'temperature', 0],
  [['-t', '.7'], 'temperature', 0.7],
  [['--top-k', '40'], 'topK', 40],
  [['--top-p', '0.9'], 'topP', 0.9],
  [['--min-p', '0.05'], 'minP', 0.05],
  [['--typical-p', '0.5'], 'typicalP', 0.5],
  [['--repetition-penalty', '1.2'], 'repetitionPenalty', 1.2],
  [['--frequency-penalty', '-0.5'], 'frequencyPenalty', -0.5],
  [['--presence-penalty', '0.5'], 'presencePenalty', 0.5],
  [['--no-repeat-ngram', '3'], 'noRepeatNgram', 3],
  [['--seed', '9007199254740991'], 'seed', Number.MAX_SAFE_INTEGER],
  [['--stop', '\n', '--stop', 'END'], 'stop', ['\n', 'END']],
  [['--json', '--top-logprobs', '3'], 'topLogProbs', 3],
  [
    ['--logit-bias', '13:-5', '--logit-bias', '2:-inf'],
    'logitBias',
    new Map([
      [13, -5],
      [2, Number.NEGATIVE_INFINITY],
    ]),
  ],
]

test.each(cases)('%j', async (args, option, value) => {
  expect(await optionsFor(...args)).toEqual({ [option]: value })
})

test('what only the command line has stays there', async () => {
  expect(await optionsFor('--echo', '--stats', '--threads', '2')).toEqual({})
})

test.each([
  ['linear:2', { kind: 'linear', factor: 2 }],
  ['dynamic:1.5', { kind: 'dynamic', factor: 1.5 }],
  ['yarn:4', { kind: 'yarn', factor: 4 }],
])('a context and the scaling %s are for the model, not for what is generated', async (text, rotaryScaling) => {
  expect(await optionsFor('--context', '2048', '--rope-scaling', text)).toEqual({})
  expect(contextOf(generateAction.mock.lastCall![2])).toEqual({ context: 2048, rotaryScaling })
})

test('every option of the library is there, but for those that are code', () => {
  const reached = new Set(cases.map(([, option]) => option))
  const missing = Object.keys(generateOptionNames).filter((name) => !reached.has(name))
  // Constraints are made of --json-schema, --regex, --grammar and --choice.
  expect(missing).toEqual(['rules', 'stopTokens', 'constraint', 'signal'])
})

test.each([
  ['--max-tokens', '0'],
  ['--top-k', '1.5'],
  ['--top-p', '1.01'],
  ['--typical-p', '0'],
  ['--repetition-penalty', '0'],
  ['--frequency-penalty', 'NaN'],
  ['--no-repeat-ngram', '0'],
  ['--seed', '-1'],
  ['--stop', ''],
  ['--threads', '0'],
  ['--context', '0'],
  ['--rope-scaling', 'yarn'],
  ['--rope-scaling', 'yarn:0'],
  ['--rope-scaling', 'yarn:2:3'],
  ['--rope-scaling', 'longrope:2'],
  ['--logit-bias', '13'],
  ['--logit-bias', '13:'],
  ['--logit-bias', '-1:2'],
  ['--logit-bias', '13:inf'],
  ['--logit-bias', '13:1', '--logit-bias', '13:2'],
])('%s %s is refused', async (...args) => {
  await expect(optionsFor(...args)).rejects.toThrow(CommanderError)
  expect(generateAction).not.toHaveBeenCalled()
})
