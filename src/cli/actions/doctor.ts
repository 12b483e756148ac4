import { type Diagnosis, diagnose, type SelfTestReport } from '../../platform/index.ts'
import { packageVersion } from '../../platform/package-version.ts'
import type { DoctorFlags } from '../doctor.ts'
import { Exit, exitCodes } from '../exit.ts'
import { byteSize, table } from '../format.ts'
import { oneLine, styled, writeJson, writeLines } from '../terminal.ts'

/** `nextx doctor`. */
export async function doctorAction({ json = false }: DoctorFlags): Promise<void> {
  const diagnosis = await diagnose()
  if (json) writeJson({ nextx: packageVersion(), ...diagnosis })
  else writeLines(pageOf(diagnosis))
  if (diagnosis.findings.some(({ optional }) => !optional)) throw new Exit(exitCodes.failed)
}

function pageOf({ node, machine, runtime, driver, selfTests, findings }: Diagnosis): string[] {
  const cores = `${machine.logicalCores} logical cores, ${machine.physicalCores} physical`
  const rows = [
    ['nextx', packageVersion()],
    ['Node.js', `${node.version} on ${node.platform} ${node.architecture}`],
    ['processor', `${machine.processor}, ${cores}`],
    ['memory', `${byteSize(machine.totalMemory)}, ${byteSize(machine.freeMemory)} free`],
    ['threads', `${machine.physicalCores} unless --threads says otherwise`],
    ...runtimeRows(runtime),
    ['driver', driver === undefined ? 'none' : `${driver.name}: ${driver.reason}`],
    ['onnxruntime-c', outcome(selfTests.cApi)],
    ['onnxruntime-node', `in a worker: ${outcome(selfTests.worker)}; in process: ${outcome(selfTests.inProcess)}`],
  ]
  return [...table(rows.map(([name = '', text = '']) => [name, oneLine(text)])), '', ...conclusion(findings)]
}

function runtimeRows(runtime: Diagnosis['runtime']): string[][] {
  if (!runtime.found) return [['runtime', 'none']]
  const bundled = runtime.providers.filter((provider) => provider.bundled).map(({ name }) => name)
  const others = runtime.providers.filter((provider) => !provider.bundled).map(({ name }) => name)
  return [
    ['runtime', `onnxruntime-node ${runtime.version}`],
    ['providers', `cpu (what nextx uses)${also('bundled', bundled)}${also('not installed', others)}`],
  ]
}

function also(what: string, names: readonly string[]): string {
  const rest = names.filter((name) => name !== 'cpu')
  return rest.length === 0 ? '' : `; ${what}: ${rest.join(', ')}`
}

function outcome(test: SelfTestReport): string {
  if (!test.passed) return test.missing ? 'not installed' : `fails: ${test.problem}`
  const { landed, inPlace, ragged, boundCache } = test
  const failed = Object.entries({ landed, inPlace, ragged, boundCache }).filter(([, passed]) => !passed)
  return failed.length === 0 ? 'works' : `works, but for ${failed.map(([name]) => name).join(', ')}`
}

function conclusion(findings: Diagnosis['findings']): string[] {
  const needed = findings.every(({ optional }) => optional) ? [styled('green', 'Everything needed is here.')] : []
  return [...needed, ...findings.flatMap(linesOf)]
}

function linesOf({ problem, fix, optional }: Diagnosis['findings'][number]): string[] {
  const kind = optional ? styled('bold', 'advice:') : styled('red', 'problem:')
  return [`${kind} ${oneLine(problem)}`, `    fix: ${oneLine(fix)}`]
}
