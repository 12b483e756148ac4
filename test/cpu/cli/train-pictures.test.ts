import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { namedTokenizer, usualTokenizers } from '../../../src/cli/actions/picture-tokenizers.ts'
import { decodePicture, encodePng } from '../../../src/formats/index.ts'
import { imageSystemIds, loadImageSystem } from '../../../src/systems/index.ts'
import { runCli } from '../../null/cli/spawn-cli.ts'
import { Workspace } from './model-folders.ts'
import { bars, writePictures } from './picture-folders.ts'

const workspace = new Workspace()
afterAll(() => workspace.remove())
const at = (name: string) => join(workspace.path, name)

beforeAll(() => {
  writePictures(at('bars'), bars(24))
  writePictures(at('mixed'), bars(23))
  writeFileSync(join(at('mixed'), 'light', 'wide.png'), encodePng(bars(1, { channels: 1, height: 8, width: 16 })))
  writePictures(at('broken'), bars(23))
  writeFileSync(join(at('broken'), 'light', 'cut.png'), encodePng(bars(1)).subarray(0, 50))
  writePictures(at('few'), bars(3))
  workspace.folder('empty')
})

const small = ['--batch', '4', '--validation', '0.25', '--tokenizer-steps', '4', '--samples', '2', '--threads', '1']
const train = (system: string, ...args: string[]) => runCli(['train', '--system', system, ...small, ...args])
const weightsOf = (folder: string) => readFileSync(join(folder, 'model.safetensors'))

test('trains a tokenizer, then the model, and leaves a model that draws and scores', async () => {
  const args = ['--data', at('bars'), '--steps', '4', '--validate-every', '2', '--out', at('var'), '--flip']
  const { code, stdout, stderr } = await train('var', ...args)
  expect({ code, stdout, stderr }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      /^model +.*var\nsteps +4\nloss +\d\.\d{4}, of the last step\nvalidation +\d\.\d{4} at step \d, the best: .*var-checkpoints\/best\n$/,
    ),
  })
  expect(stderr).toMatch(
    /^pictures of 8 × 8 grey, 2 classes: 36 to train on, 6 held out; tokenizer: multi-scale\ntokenizer: [\d,]+ parameters, 64 pictures per step\n/,
  )
  expect(stderr).toMatch(/^tokenizer: step 4\/4: loss \d\.\d{4}, rate \S+, [\d,]+ pictures\/s$/m)
  expect(stderr).toMatch(/^model: step 4: validation loss \d\.\d{4}/m)
  const file = join(at('var-samples'), 'step-000004.png')
  expect(stderr).toContain(`samples: ${file}`)
  expect(await decodePicture(readFileSync(file))).toMatchObject({ height: 2 * 8 + 4, width: 2 * (2 * 8 + 2) + 2 })
  for (const folder of [at('var'), join(at('var-checkpoints'), 'best')]) {
    const draw = await runCli(['generate', folder, '--class', 'light', '--seed', '1', '--out', at('light.png')])
    expect(draw).toMatchObject({ code: 0, stdout: '' })
    expect(await runCli(['score', folder, at('bars'), '--json'])).toMatchObject({ code: 0, stderr: '' })
  }
  const refused = await train('var', ...args)
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('exists already') as string })
})

test('a run that goes on with --resume equals one that never stopped, in either stage', async () => {
  const args = ['--data', at('bars'), '--schedule', 'constant', '--validate-every', '2', '--json']
  await train('elm', ...args, '--steps', '4', '--out', at('whole'))
  await train('elm', ...args, '--steps', '2', '--out', at('parts'))
  const { code, stdout } = await train('elm', ...args, '--steps', '4', '--out', at('parts'), '--resume')
  expect(code).toBe(0)
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; stage?: string; resumedFrom?: string })
  expect(events[0]).toMatchObject({ kind: 'data', training: 18, validation: 6, classes: 2, picturesPerStep: 4 })
  expect(events.filter(({ resumedFrom }) => resumedFrom !== undefined).map(({ stage }) => stage)).toEqual(['tokenizer', 'model'])
  expect(weightsOf(at('parts')).equals(weightsOf(at('whole')))).toBe(true)
})

test('a tokenizer that is there is taken; pixels need none', async () => {
  const trained = join(at('whole-checkpoints'), 'tokenizer', 'best')
  const out = ['--data', at('bars'), '--steps', '1']
  const nar = await train('nar', ...out, '--tokenizer', trained, '--out', at('nar'))
  expect(nar).toMatchObject({ code: 0, stderr: expect.not.stringContaining('tokenizer: step') as string })
  const flow = await train('starflow', ...out, '--tokenizer', 'patches:2', '--out', at('flow'))
  expect(flow).toMatchObject({ code: 0, stderr: expect.stringContaining('tokenizer: patches') as string })
  expect(readdirSync(at('flow-checkpoints'))).not.toContain('tokenizer')
})

test('a size that is asked for brings pictures to it', async () => {
  const args = ['--data', at('mixed'), '--size', '4x6', '--channels', '3', '--tokenizer', 'patches:2']
  const { code, stderr } = await train('starflow', ...args, '--steps', '1', '--out', at('sized'))
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(/^pictures of 4 × 6 in colours/) as string })
})

test.each([
  ['sizes that differ', 'var', () => ['--data', at('mixed')], "wide.png': 8 × 16 pixels; expected 8 × 8"],
  ['a corrupt file', 'var', () => ['--data', at('broken')], "cut.png'"],
  ['an empty folder', 'var', () => ['--data', at('empty')], 'no file matches'],
  ['a missing folder', 'var', () => ['--data', at('nowhere')], 'no file matches'],
  ['too few pictures', 'var', () => ['--data', at('few')], 'at least a batch of 4 of each'],
  [
    'an option of text',
    'var',
    () => ['--data', at('bars'), '--context', '8'],
    "--context is for text, and the system 'var' is of pictures",
  ],
  ['an option of pictures', 'gpt', () => ['--data', at('bars'), '--flip'], "is for pictures, and the system 'gpt' is of text"],
  ['a tokenizer of text', 'var', () => ['--data', at('bars'), '--tokenizer', 'bpe:512'], '--tokenizer bpe:512 is for text'],
  // Pictures are read after that: these are not there.
  ['an unknown tokenizer', 'var', () => ['--data', at('nowhere'), '--tokenizer', 'vqq'], "there is no tokenizer of pictures 'vqq'"],
  ['a carry that is none', 'var', () => ['--data', at('nowhere'), '--tokenizer', 'multi-scale:late'], 'residual, latest or band'],
  ['no number of codes', 'elm', () => ['--data', at('nowhere'), '--tokenizer', 'vq:many'], 'a whole number'],
  ['levels that are no numbers', 'elm', () => ['--data', at('nowhere'), '--tokenizer', 'fsq:8,'], 'a whole number'],
  ['too few codes', 'elm', () => ['--data', at('nowhere'), '--tokenizer', 'vq:0'], 'codes'],
  ['a tokenizer for other systems', 'var', () => ['--data', at('nowhere'), '--tokenizer', 'vq'], 'var predicts scale after scale'],
  ['a folder of something else', 'elm', () => ['--data', at('nowhere'), '--tokenizer', at('bars')], 'tokenizer'],
  ['an unknown preset', 'var', () => ['--data', at('bars'), '--preset', 'huge'], "the system var has no preset 'huge'"],
  ['an unknown system', 'vra', () => ['--data', at('bars')], 'unknown system "vra"'],
])('%s is refused in one line, before anything is trained', async (_name, system, args, problem) => {
  const { code, stdout, stderr } = await train(system, ...args(), '--out', at('none'))
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^error: [^\n]*\n$/)
  expect(stderr).toContain(problem)
  expect(existsSync(at('none'))).toBe(false)
  expect(existsSync(at('none-checkpoints'))).toBe(false)
})

test.each([
  ['fsq', 240],
  ['fsq:4,3,2', 24],
])('--tokenizer %s has %d ids', async (path, ids) => {
  const { tokenizer } = await (await namedTokenizer({ path }, 'elm')).open({ channels: 1, height: 8, width: 8 }, 1)
  expect(tokenizer).toMatchObject({ kind: 'fsq', unit: { kind: 'ids', vocabulary: [ids] } })
})

test.each(['elm', 'nar', 'maskgit'])('%s takes fsq', async (id) => {
  const { examples } = await namedTokenizer({ path: 'fsq' }, id)
  const system = await loadImageSystem(id)
  const options = system.readOptions(system.presets.tiny)
  expect(system.build(options, { tokenizer: examples[0]!(), classes: 1 }).classes).toBe(1)
})

test('--help names every tokenizer of pictures, with the pivots of Hi-MAR', async () => {
  const refused = namedTokenizer({ path: 'none-such' }, 'elm')
  const { message } = (await refused.catch((error: unknown) => error)) as Error
  const names = /one of ([\w, -]+), or the folder/.exec(message)![1]!.split(', ')
  expect(names).toEqual(expect.arrayContaining(['fsq', 'pivots']))
  const help = (await runCli(['train', '--help'])).stdout.replace(/\s+/g, ' ')
  for (const name of names) expect(help).toContain(` ${name}[:`)
})

test('every system has a tokenizer that it is trained with unless told otherwise', () => {
  expect(Object.keys(usualTokenizers)).toEqual(expect.arrayContaining([...imageSystemIds]))
})

test.each(imageSystemIds)('the usual tokenizer of %s is not refused before there are pictures', async (id) => {
  const system = await loadImageSystem(id)
  const options = { ...(system.presets.tiny as object), ...usualTokenizers[id]!.options }
  const { examples } = await namedTokenizer(undefined, id)
  const suits = examples.map((tokenizer) => () => system.build(system.readOptions(options), { tokenizer: tokenizer(), classes: 1 }))
  expect(
    suits.some((build) => {
      try {
        return build() !== undefined
      } catch {
        return false
      }
    }),
  ).toBe(true)
})

/** Bands of frequencies are whole on grids of odd sides. */
const sizesFor = (id: string) => (id === 'nfig' ? [20, 28, 56] : [8, 28, 32, 48])

test.each(imageSystemIds)('the usual tokenizer of %s suits it', async (id) => {
  const system = await loadImageSystem(id)
  for (const side of sizesFor(id)) {
    const { tokenizer } = await (await namedTokenizer(undefined, id)).open({ channels: 3, height: side, width: side }, 1)
    const options = { ...(system.presets.tiny as object), ...usualTokenizers[id]!.options }
    expect(system.build(system.readOptions(options), { tokenizer, classes: 2 }).classes).toBe(2)
  }
})

test('pictures that no grid of the usual tokenizer fits are refused', async () => {
  const picture = { channels: 1, height: 32, width: 32 }
  const usual = await namedTokenizer(undefined, 'nfig')
  await expect(usual.open(picture, 1)).rejects.toThrow('no grid of latents with odd sides')
})
