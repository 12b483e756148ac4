import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as csvParser from '../../../src/platform/csv-parser.ts'
import * as diagnose from '../../../src/platform/diagnose.ts'
import * as digest from '../../../src/platform/digest.ts'
import * as fileSource from '../../../src/platform/file-source.ts'
import * as files from '../../../src/platform/files.ts'
import * as folders from '../../../src/platform/folders.ts'
import * as grammarLibrary from '../../../src/platform/grammar-library.ts'
import * as openDevice from '../../../src/platform/open-device.ts'
import * as packageData from '../../../src/platform/package-data.ts'
import * as resolveInside from '../../../src/platform/resolve-inside.ts'
import * as scratchFile from '../../../src/platform/scratch-file.ts'
import * as svgPng from '../../../src/platform/svg-png.ts'
import * as textFiles from '../../../src/platform/text-files.ts'
import * as webCsvParser from '../../../src/platform/web-csv-parser.ts'
import * as webDiagnose from '../../../src/platform/web-diagnose.ts'
import * as webDigest from '../../../src/platform/web-digest.ts'
import * as webFileSource from '../../../src/platform/web-file-source.ts'
import * as webFiles from '../../../src/platform/web-files.ts'
import * as webFolders from '../../../src/platform/web-folders.ts'
import * as webGrammarLibrary from '../../../src/platform/web-grammar-library.ts'
import * as webOpenDevice from '../../../src/platform/web-open-device.ts'
import * as webPackageData from '../../../src/platform/web-package-data.ts'
import * as webResolveInside from '../../../src/platform/web-resolve-inside.ts'
import * as webScratchFile from '../../../src/platform/web-scratch-file.ts'
import * as webSvgPng from '../../../src/platform/web-svg-png.ts'
import * as webTextFiles from '../../../src/platform/web-text-files.ts'
import * as webWorkerThread from '../../../src/platform/web-worker-thread.ts'
import * as workerThread from '../../../src/platform/worker-thread.ts'

const root = new URL('../../../', import.meta.url)
const { browser } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { browser: Readonly<Record<string, string>> }

/** Compiles only when each name of the browser's module can be used as Node's. */
function pair<Module extends object>(node: Module, web: Partial<Module>): { readonly node: string[]; readonly web: string[] } {
  return { node: Object.keys(node), web: Object.keys(web) }
}

const counterparts = {
  'csv-parser': pair(csvParser, webCsvParser),
  diagnose: pair(diagnose, webDiagnose),
  digest: pair(digest, webDigest),
  'file-source': pair(fileSource, webFileSource),
  files: pair(files, webFiles),
  folders: pair(folders, webFolders),
  'grammar-library': pair(grammarLibrary, webGrammarLibrary),
  'open-device': pair(openDevice, webOpenDevice),
  'package-data': pair(packageData, webPackageData),
  'resolve-inside': pair(resolveInside, webResolveInside),
  'scratch-file': pair(scratchFile, webScratchFile),
  'svg-png': pair(svgPng, webSvgPng),
  'text-files': pair(textFiles, webTextFiles),
  'worker-thread': pair(workerThread, webWorkerThread),
}

test('package.json gives browsers these modules instead of those that need Node', () => {
  const expected = Object.keys(counterparts).map((name) => [`./dist/platform/${name}.js`, `./dist/platform/web-${name}.js`])
  expect(Object.entries(browser)).toEqual(expected)
  const sources = Object.entries(browser)
    .flat()
    .map((path) => path.replace('./dist/', 'src/').replace('.js', '.ts'))
  expect(sources.filter((path) => !existsSync(new URL(path, root)))).toEqual([])
})

test.each(Object.entries(counterparts))("the browser's %s has names of Node's only", (_, { node, web }) => {
  expect(web.length).toBeGreaterThan(0)
  expect(node).toEqual(expect.arrayContaining(web))
})
