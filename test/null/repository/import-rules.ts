import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { factsOf, type ImportFact, type ModuleFacts } from './module-facts.ts'
import type { Sources } from './source-tree.ts'

interface FolderRule {
  /** Folders below src/ whose modules may be imported; the folder itself always may. */
  readonly values: readonly string[]
  /** Folders of which only types may be imported. */
  readonly types?: readonly string[]
}

/**
 * Imports point downwards only. docs/structure.md has the same table in words, with the reasons.
 */
export const folderRules: Readonly<Record<string, FolderRule>> = {
  base: { values: [] },
  errors: { values: ['base'] },
  platform: { values: ['base'] },
  formats: { values: ['base'] },
  tensor: { values: ['base', 'formats', 'platform'] },
  nn: { values: ['base', 'tensor'] },
  // Siblings: what they share lives in base.
  tokenizers: { values: ['base', 'tensor', 'nn', 'formats'] },
  orders: { values: ['base', 'tensor', 'nn', 'formats'] },
  heads: { values: ['base', 'tensor', 'nn', 'formats'] },
  objectives: { values: ['base', 'tensor', 'nn', 'orders', 'heads'] },
  // Runs on a stub stepper: policies never see a network.
  decode: { values: ['base'], types: ['orders', 'heads'] },
  data: { values: ['base', 'formats', 'platform'] },
  train: { values: ['base', 'formats', 'platform', 'tensor', 'nn', 'data', 'objectives'] },
  metrics: { values: ['base', 'platform', 'tensor', 'nn', 'heads', 'data'], types: ['train'] },
  // Testable with numbers alone.
  engine: { values: ['base', 'platform', 'formats', 'tensor', 'decode'], types: ['nn'] },
  systems: { values: below('systems') },
  plot: { values: ['base', 'platform', 'data', 'systems'] },
  // What may come next, of a vocabulary: never sees a model.
  grammars: { values: ['base', 'platform', 'decode'] },
  serve: { values: [...below('systems'), 'systems', 'grammars'] },
  batch: { values: ['base', 'platform', 'serve'] },
  'ai-sdk': { values: ['base', 'serve'] },
  cli: { values: [...below('systems'), 'systems', 'plot', 'grammars', 'serve', 'batch'] },
}

function below(top: 'systems'): string[] {
  const parts = ['base', 'platform', 'formats', 'metrics', 'tensor', 'nn', 'tokenizers', 'orders', 'heads', 'objectives', 'decode']
  return [...parts, 'data', 'train', 'engine'].filter((part) => part !== top)
}

/** The folders that may import a package; `everywhere` leaves out base. */
const packageHomes: Readonly<Record<string, readonly string[] | 'everywhere'>> = {
  'onnxruntime-node': ['platform'],
  'onnxruntime-web': ['platform'],
  koffi: ['platform'],
  'write-file-atomic': ['platform'],
  tinyglobby: ['platform'],
  '@bufbuild/protobuf': ['formats'],
  'fast-png': ['formats'],
  'jpeg-js': ['formats'],
  '@huggingface/tokenizers': ['tokenizers'],
  '@huggingface/jinja': ['tokenizers'],
  'csv-parse': ['platform'],
  hyparquet: ['data'],
  luxon: ['data', 'plot'],
  jstat: ['heads', 'metrics', 'systems'],
  vega: ['plot'],
  eta: ['plot'],
  '@resvg/resvg-js': ['platform'],
  arima: ['systems'],
  'ml-matrix': ['metrics', 'systems'],
  'simple-statistics': ['systems'],
  '@mlc-ai/web-xgrammar': ['platform', 'grammars'],
  fastify: ['serve'],
  'prom-client': ['serve'],
  '@opentelemetry/api': ['serve'],
  '@opentelemetry/sdk-trace-node': ['serve'],
  '@opentelemetry/exporter-trace-otlp-http': ['serve'],
  bullmq: ['batch'],
  ioredis: ['batch'],
  '@ai-sdk/provider': ['ai-sdk'],
  commander: ['cli'],
  'cli-progress': ['cli'],
  '@petamoriken/float16': ['base'],
  valibot: 'everywhere',
}

/** Every breach of the rules among the modules below src/, as `place: what is wrong`. */
export function findBreaches(sources: Sources): string[] {
  const modules = new Map([...sources].map(([path, text]) => [path, factsOf(path, text)]))
  return [...[...modules].flatMap(([path, facts]) => breachesOf(path, facts, modules)), ...findCycles(modules)]
}

/** Breaches among examples and benchmarks, which use the package as a user would. */
export function findOutsideBreaches(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) =>
    factsOf(path, text).imports.flatMap((fact) => {
      const problem = problemOfOutside(path, fact)
      return problem ? [`${fact.place}: ${problem}`] : []
    }),
  )
}

function problemOfOutside(path: string, { specifier }: ImportFact): string | undefined {
  if (specifier === undefined) return 'computed import; name the module'
  if (!specifier.startsWith('.')) return undefined
  const folder = path.split('/')[0]
  const target = posix.join(posix.dirname(path), specifier)
  if (folder === 'bench' && target.startsWith('bench/')) return undefined
  return `imports '${specifier}'; only 'nextx' and 'nextx/…'${folder === 'bench' ? ' and files of bench/' : ''} may be imported here`
}

function breachesOf(path: string, facts: ModuleFacts, modules: ReadonlyMap<string, ModuleFacts>): string[] {
  const folder = folderOf(path)
  if (folder !== '' && !(folder in folderRules)) return [`${path}: src/${folder} has no import rule; add a row to folderRules`]
  const imports = facts.imports.map((fact) => ({ place: fact.place, problem: problemOf(path, fact, modules) }))
  const globals = facts.globals.map(({ name, place }) => ({ place, problem: problemOfGlobal(folder, name) }))
  return [...imports, ...globals].flatMap(({ place, problem }) => (problem ? [`${place}: ${problem}`] : []))
}

function problemOf(path: string, fact: ImportFact, modules: ReadonlyMap<string, ModuleFacts>): string | undefined {
  const { specifier } = fact
  const folder = folderOf(path)
  if (specifier === undefined) return 'computed import; name the module, so that it can be checked and built'
  if (specifier.startsWith('.')) return problemOfRelative(path, fact, specifier, modules)
  if (specifier.startsWith('#')) return folder === 'platform' ? undefined : `imports '${specifier}'; only src/platform may`
  if (isBuiltin(specifier)) return problemOfBuiltin(folder, specifier)
  return problemOfPackage(folder, specifier)
}

function problemOfRelative(path: string, fact: ImportFact, specifier: string, modules: ReadonlyMap<string, ModuleFacts>) {
  const target = resolve(path, specifier)
  if (!modules.has(target)) return `imports '${specifier}', which is no file of src/`
  if (target === 'src/index.ts') return 'imports src/index.ts; import what defines the name'
  const [from, to] = [folderOf(path), folderOf(target)]
  if (from === '' || from === to) return undefined
  const rule = folderRules[from]
  if (rule?.values.includes(to)) return undefined
  if (rule?.types?.includes(to))
    return fact.typeOnly ? undefined : `src/${from} may import types only of src/${to}; write 'import type'`
  return `src/${from} may not import src/${to}`
}

function problemOfBuiltin(folder: string, specifier: string): string | undefined {
  if (folder === 'platform') return undefined
  if (folder === 'cli' && specifier === 'node:process') return undefined
  return `imports '${specifier}'; only src/platform may name modules of Node`
}

function problemOfGlobal(folder: string, name: string): string | undefined {
  if (folder === 'platform' || (folder === 'cli' && name === 'process')) return undefined
  return `uses the global ${name}; only src/platform may`
}

function problemOfPackage(folder: string, specifier: string): string | undefined {
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  const homes = packageHomes[name]
  if (name === 'nextx') return "imports 'nextx'; the package does not import itself"
  if (homes === undefined) return `imports the package ${name}, which has no home; add a row to packageHomes`
  if (homes === 'everywhere') return undefined
  return homes.includes(folder) ? undefined : `imports the package ${name}; only src/${homes.join(', src/')} may`
}

/** Cycles between files. Imports of types alone are exempt: they are erased, so no module waits for another. */
function findCycles(modules: ReadonlyMap<string, ModuleFacts>): string[] {
  const cycles: string[] = []
  const finished = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    if (finished.has(path)) return
    const start = trail.indexOf(path)
    if (start >= 0) {
      cycles.push(`${path}: import cycle ${[...trail.slice(start), path].join(' → ')}`)
      return
    }
    for (const target of runtimeTargets(path, modules)) visit(target, [...trail, path])
    finished.add(path)
  }
  for (const path of modules.keys()) visit(path, [])
  return cycles
}

function runtimeTargets(path: string, modules: ReadonlyMap<string, ModuleFacts>): string[] {
  const facts = modules.get(path)?.imports ?? []
  const relative = facts.flatMap(({ specifier, typeOnly }) => (!typeOnly && specifier?.startsWith('.') ? [specifier] : []))
  return relative.map((specifier) => resolve(path, specifier)).filter((target) => modules.has(target))
}

function resolve(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier)
}

/** `tensor` for src/tensor/…; '' for files directly in src/. */
function folderOf(path: string): string {
  const parts = path.split('/')
  return parts.length > 2 ? (parts[1] ?? '') : ''
}
