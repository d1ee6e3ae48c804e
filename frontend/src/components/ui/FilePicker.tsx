import { FileUp, X } from 'lucide-react'
import { type DragEvent, useId, useState } from 'react'
import { formatBytes } from './bytes'
import { cn } from './cn'

interface FilePickerProps {
  label: string
  /** Who will see them. */
  hint: string
  files: File[]
  error?: string
  onChange: (files: File[]) => void
}

/** Chooses files by button or by dropping them. */
export function FilePicker({ label, hint, files, error, onChange }: FilePickerProps) {
  const id = useId()
  const [over, setOver] = useState(false)
  const add = (list: FileList | null) => onChange([...files, ...Array.from(list ?? [])])
  const drag = (event: DragEvent, inside: boolean) => {
    event.preventDefault()
    setOver(inside)
  }
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is an extra way; the input inside is the accessible one */}
      <div
        onDragOver={(event) => drag(event, true)}
        onDragLeave={(event) => drag(event, false)}
        onDrop={(event) => {
          drag(event, false)
          add(event.dataTransfer.files)
        }}
        className={cn(
          'relative grid justify-items-center gap-1 rounded-control border border-dashed border-control px-3 py-5 text-center text-sm text-muted focus-within:outline-2 focus-within:outline-brand',
          over && 'border-brand bg-brand-soft',
        )}
      >
        <FileUp aria-hidden className="size-5" />
        <span>Drop files here or choose them</span>
        <input
          id={id}
          type="file"
          multiple
          aria-describedby={`${id}-note`}
          aria-invalid={error ? true : undefined}
          className="absolute inset-0 cursor-pointer opacity-0"
          onChange={(event) => {
            add(event.target.files)
            event.target.value = ''
          }}
        />
      </div>
      <p id={`${id}-note`} className={cn('text-xs', error ? 'text-bad' : 'text-muted')}>
        {error ?? `Up to 20 files of 25 MiB. ${hint}`}
      </p>
      {files.length > 0 && (
        <ul className="divide-y divide-line rounded-control border border-line">
          {files.map((file) => (
            <li
              key={`${file.name}-${file.size}-${file.lastModified}`}
              className="flex items-center gap-2 py-1 pr-1 pl-3"
            >
              <span className="min-w-0 flex-1 truncate">{file.name}</span>
              <span className="text-xs text-muted">{formatBytes(file.size)}</span>
              <button
                type="button"
                aria-label={`Remove ${file.name}`}
                onClick={() => onChange(files.filter((other) => other !== file))}
                className="grid size-8 place-items-center rounded-control text-muted hover:bg-sunken"
              >
                <X aria-hidden className="size-4" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
