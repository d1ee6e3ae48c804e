import type { ReactNode } from 'react'

interface AsTableProps {
  caption: string
  head: readonly string[]
  /** The first cell of a row names it. */
  rows: readonly (readonly [key: string, ...cells: ReactNode[]])[]
}

/** What a chart shows, as a table that opens on demand. */
export function AsTable({ caption, head, rows }: AsTableProps) {
  return (
    <details className="text-sm">
      <summary className="inline-block rounded-control py-1 text-xs text-muted underline underline-offset-2 hover:text-ink">
        Show as a table
      </summary>
      <table className="mt-2 w-full text-xs">
        <caption className="sr-only">{caption}</caption>
        <thead>
          <tr className="text-muted">
            {head.map((name, index) => (
              <th
                key={name}
                scope="col"
                className={`py-1 font-medium ${index === 0 ? 'text-left' : 'pl-3 text-right'}`}
              >
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([key, ...cells]) => (
            <tr key={key} className="border-t border-line">
              <th scope="row" className="py-1 text-left font-normal">
                {key}
              </th>
              {cells.map((cell, index) => (
                <td key={head[index + 1]} className="py-1 pl-3 text-right tabular-nums">
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  )
}
