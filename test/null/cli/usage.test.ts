import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { runCli } from './spawn-cli.ts'

/** Files of the package and its dependencies that a command line loads, by V8's own account. */
async function loadedFiles(args: readonly string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'nextx-coverage-'))
  try {
    expect(await runCli(args, { env: { NODE_V8_COVERAGE: folder } })).toMatchObject({ code: 0, stderr: '' })
    return readdirSync(folder).flatMap((name) => {
      const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: { url: string }[] }
      return result.map(({ url }) => url).filter((url) => url.startsWith('file:'))
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('--help and --version load nothing but the command line', async () => {
  const files = [...(await loadedFiles(['--help'])), ...(await loadedFiles(['train', '--help']))]
  expect(files.length).toBeGreaterThan(10)
  const strange = files.filter(
    (url) => !/\/(dist\/(cli|base\/errors|platform\/package-version)|node_modules\/commander)\b/.test(url),
  )
  expect(strange).toEqual([])
})

test('--version is that of the package', async () => {
  expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' })
})

test('every command shows examples of itself', async () => {
  const { stdout: overview } = await runCli(['--help'])
  const commands = [...overview.matchAll(/^ {2}([\w-]+) (?=\[options\])/gm)].map(([, name]) => name!)
  expect(commands).toEqual([
    'generate',
    'chat',
    'score',
    'train',
    'forecast',
    'backtest',
    'serve',
    'batch',
    'batch-worker',
    'quantize',
    'export',
    'inspect',
    'doctor',
  ])
  for (const command of commands) {
    const { code, stdout } = await runCli([command, '--help'])
    expect(code).toBe(0)
    expect(stdout.slice(stdout.indexOf('Examples:'))).toContain(`nextx ${command} `)
  }
})

test.each([
  ['no command', [], /Usage: nextx/],
  ['an unknown command', ['generat'], /unknown command 'generat'\s+\(Did you mean generate\?\)/],
  ['an unknown option', ['generate', 'm', '--tempature', '1'], /unknown option '--tempature'\s+\(Did you mean --temperature\?\)/],
  ['an unknown option of the program', ['--versoin'], /unknown option '--versoin'/],
  ['a missing argument', ['score', 'm'], /missing required argument 'file'/],
  ['a missing option', ['export', 'm'], /required option '-o, --out <file>'/],
  ['an unquoted prompt', ['generate', 'm', 'Once', 'upon'], /too many arguments/],
  ['a missing value', ['generate', 'm', '--top-k'], /option '--top-k <count>' argument missing/],
  ['options that exclude each other', ['generate', 'm', '--json', '--echo'], /'--json' cannot be used with option '--echo'/],
  ['an option without the one it needs', ['generate', 'm', '--top-logprobs', '2'], /'--top-logprobs' needs '--json'/],
  ['a schedule of no guidance', ['generate', 'm', '--guidance-schedule', 'linear'], /'--guidance-schedule' needs '--guidance'/],
  ['a part of no picture', ['generate', 'm', '--keep', '0,0,4,4'], /'--keep' needs '--image'/],
  ['a picture of which nothing stays', ['generate', 'm', '--image', 'a.png'], /'--image' needs '--keep or --kept-scales'/],
  [
    'fewer pictures than classes',
    ['generate', 'm', '--class', '3', '4', '5', '--n', '2'],
    /'--n' of 2 is fewer than the 3 classes/,
  ],
  ['a solver of no flow', ['generate', 'm', '--method', 'ddpm'], /Allowed choices are euler, heun, ab2/],
  ['an empty area', ['generate', 'm', '--image', 'a.png', '--keep', '0,0,0,4'], /a height and width above 0/],
  ['a batch for nobody', ['batch', 'in', '--out', 'o'], /needs '--model <name=model>' or '--queue <url>'/],
  [
    'a queue beside a model',
    ['batch', 'in', '--out', 'o', '--queue', 'redis://a', '--model', 'b'],
    /'--queue' cannot be used with option '--model': the workers have the models/,
  ],
  ['a worker without a queue', ['batch-worker', '--model', 'b'], /required option '--queue <url>' not specified/],
  ['two models of one name', ['batch', 'in', '--out', 'o', '--model', 'a/m', '--model', 'b/m'], /Two models are called 'm'/],
  ['scales that are no numbers', ['generate', 'm', '--schedule', '1,two'], /'--schedule <scales>' argument '1,two' is invalid/],
])('%s is wrong usage', async (_name, args, message) => {
  const { code, stdout, stderr } = await runCli(args)
  expect(stderr).toMatch(message)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
})

test('bad numbers name the option and what it takes', async () => {
  const { code, stderr } = await runCli(['generate', 'stories260K', '--temperature', '0.8x'])
  expect(code).toBe(2)
  expect(stderr).toMatch("option '-t, --temperature <number>' argument '0.8x' is invalid. Expected a number of at least 0.")
})

test('a prompt never appears in an error', async () => {
  const { code, stderr } = await runCli(['generate', 'no-such-model', 'my secret'])
  expect(code).toBe(1)
  expect(stderr).toBe(
    "error: there is no model 'no-such-model'; expected a GGUF file, a model folder, or one of the models that ship with nextx: garments, stories260K\n",
  )
})

test('--debug adds the stack', async () => {
  const { code, stderr } = await runCli(['--debug', 'inspect', 'no-such-model'])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^error: there is no model.*\nDataError: there is no model[\s\S]*\n {4}at /)
})

test('names in errors cannot command the terminal', async () => {
  const { stderr } = await runCli(['inspect', 'a\u001b[31m\nb'])
  expect(stderr).toContain("there is no model 'a\ufffd[31m b'")
  expect(stderr.trimEnd()).not.toContain('\n')
})
