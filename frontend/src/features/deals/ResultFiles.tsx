import { useMutation } from '@tanstack/react-query'
import { Download, Eye } from 'lucide-react'
import { useState } from 'react'
import { fetchFile } from '@/api/endpoints'
import type { DeliverableOut, FileOut } from '@/api/types'
import { deliverableHash } from '@/chain/typedData'
import { Badge } from '@/components/ui/Badge'
import { Button } from '@/components/ui/Button'
import { formatBytes } from '@/components/ui/bytes'
import { Card } from '@/components/ui/Card'
import { ActionError, Notice } from '@/components/ui/States'

const PREVIEW_BYTES = 200_000
const isText = (file: FileOut) =>
  /^text\/|json|xml|markdown|csv/.test(file.media_type) || /\.(md|txt|json|csv)$/.test(file.name)

/** Saves bytes under a name. Their type is always "unknown binary", so that the browser never opens them as a page of ours. */
function save(bytes: ArrayBuffer, name: string) {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/** A file that is hashed here before it is shown or saved; `checked` when its list is the one that was signed. */
export function FileRow({ file, checked }: { file: FileOut; checked: boolean }) {
  const [text, setText] = useState<string | null>(null)
  const load = useMutation({
    mutationFn: async (use: 'save' | 'show') => {
      const { bytes, hash } = await fetchFile(file.sha256)
      if (hash !== file.sha256) throw new Error(`${file.name} is not the file that was delivered: its hash differs.`)
      if (use === 'save') save(bytes, file.name)
      else setText(new TextDecoder().decode(bytes.slice(0, PREVIEW_BYTES)))
    },
  })
  return (
    <li className="grid gap-2 border-t border-line py-2.5 first:border-0 first:pt-0">
      <div className="flex flex-wrap items-center gap-2">
        <span className="min-w-0 flex-1 basis-40 truncate font-medium">{file.name}</span>
        <span className="text-xs text-muted">{formatBytes(file.size)}</span>
        {load.isSuccess && checked && <Badge tone="ok">hash verified</Badge>}
        <div className="flex gap-1">
          {isText(file) && file.size <= PREVIEW_BYTES && (
            <Button tone="quiet" aria-label={`Preview ${file.name}`} onClick={() => load.mutate('show')}>
              <Eye aria-hidden className="size-4" />
            </Button>
          )}
          <Button
            tone="secondary"
            aria-label={`Download ${file.name}`}
            busy={load.isPending}
            onClick={() => load.mutate('save')}
          >
            <Download aria-hidden className="size-4" />
            Download
          </Button>
        </div>
      </div>
      <ActionError error={load.error} />
      {text !== null && (
        // plain text in a <pre>: whatever the file holds, nothing of it is ever markup here
        <section
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
          tabIndex={0}
          aria-label={`Content of ${file.name}`}
          className="max-h-80 overflow-auto rounded-control bg-sunken p-3"
        >
          <pre className="font-mono text-xs whitespace-pre-wrap">{text}</pre>
        </section>
      )}
    </li>
  )
}

/**
 * The delivered files; each is hashed here before it is shown or saved. `submitted` is the hash the agent has submitted
 * on chain, null until then and below $10.
 */
export function ResultFiles({ deliverable, submitted }: { deliverable: DeliverableOut; submitted: string | null }) {
  const hash = deliverableHash(deliverable.manifest)
  const matches = hash === deliverable.deliverable_hash && (submitted === null || submitted === hash)
  const listed = (file: FileOut) =>
    matches && deliverable.manifest.files.some((entry) => entry.sha256 === file.sha256 && entry.name === file.name)
  return (
    <Card
      title="Result"
      aside={
        matches ? <Badge tone="ok">file list matches the signed hash</Badge> : <Badge tone="bad">hash differs</Badge>
      }
    >
      {!matches && <Notice tone="bad">The file list is not the one the agent signed. Do not release.</Notice>}
      <ul aria-label="Result files">
        {deliverable.files.map((file) => (
          <FileRow key={`${file.sha256}-${file.name}`} file={file} checked={listed(file)} />
        ))}
      </ul>
    </Card>
  )
}
