import process from 'node:process'
import { writeFileAtomic } from '../../platform/index.ts'
import { packageVersion } from '../../platform/package-version.ts'
import { forecastReport, type ReportContent, svgToPng } from '../../plot/index.ts'
import { note } from '../terminal.ts'

interface Drawings {
  readonly plot?: string
  readonly report?: string
}

const isPng = (path: string) => /\.png$/i.test(path)

/** Whether pictures can be drawn, before any work is done for them. Throws RuntimeError without a renderer or fonts. */
export async function checkDrawing({ plot }: Drawings): Promise<void> {
  if (plot !== undefined && isPng(plot)) await svgToPng('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')
}

/** Writes the picture that was asked for. */
export async function writePlot({ plot }: Drawings, draw: () => Promise<string>): Promise<void> {
  if (plot === undefined) return
  const svg = await draw()
  await writeFileAtomic(plot, isPng(plot) ? await svgToPng(svg) : svg)
  note(`wrote ${plot}`)
}

/** Writes the page that was asked for. */
export async function writeReport({ report }: Drawings, content: Omit<ReportContent, 'command' | 'versions'>): Promise<void> {
  if (report === undefined) return
  const versions = { nextx: packageVersion(), 'Node.js': process.version }
  const command = ['nextx', ...process.argv.slice(2)].map(quoted).join(' ')
  await writeFileAtomic(report, await forecastReport({ ...content, command, versions }))
  note(`wrote ${report}`)
}

/** As a shell takes it. */
function quoted(argument: string): string {
  return /^[\w./:=,@%+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`
}
