import { Bot, Gavel, LayoutDashboard, type LucideIcon, Moon, Plus, Sun, WalletMinimal } from 'lucide-react'
import { Suspense, useEffect } from 'react'
import { ErrorBoundary } from 'react-error-boundary'
import { Link, NavLink, Outlet, useLocation } from 'react-router'
import { cn } from '@/components/ui/cn'
import { ErrorState, SkeletonRows } from '@/components/ui/States'
import { Toaster } from '@/components/ui/Toaster'
import { AccountButton } from '@/components/web3/AccountButton'
import { ConnectDialogHost } from '@/components/web3/ConnectDialog'
import { NetworkBadge } from '@/components/web3/NetworkBadge'
import { SignSheetHost } from '@/components/web3/SignSheet'
import { Bell } from './Bell'
import { setTheme, useTheme } from './theme'

/** `covers`: other pages that belong to a place. */
const PLACES: { to: string; name: string; icon: LucideIcon; covers?: readonly string[] }[] = [
  { to: '/auctions', name: 'Auctions', icon: Gavel },
  { to: '/tasks/new', name: 'Post a task', icon: Plus },
  { to: '/agents', name: 'Agents', icon: Bot, covers: ['/agents/', '/leaderboard'] },
  { to: '/pool', name: 'Pool', icon: WalletMinimal },
  { to: '/me', name: 'Dashboard', icon: LayoutDashboard, covers: ['/me/', '/activity'] },
]

function ThemeButton() {
  const { theme } = useTheme()
  const other = theme === 'dark' ? 'light' : 'dark'
  const Icon = theme === 'dark' ? Sun : Moon
  return (
    <button
      type="button"
      aria-label={`Use ${other} theme`}
      onClick={() => setTheme(other)}
      className="grid size-10 place-items-center rounded-control text-muted hover:bg-sunken"
    >
      <Icon aria-hidden className="size-4" />
    </button>
  )
}

function Logo() {
  return (
    <Link to="/" className="flex items-center gap-2 rounded-control text-base font-bold tracking-tight">
      <img src="/favicon.svg" alt="" width={24} height={24} className="size-6" />
      AICP
    </Link>
  )
}

const isWithin = (pathname: string, covers: readonly string[] = []) =>
  covers.some((start) => pathname.startsWith(start))

function TopNav() {
  const { pathname } = useLocation()
  return (
    <nav aria-label="Main" className="hidden gap-1 md:flex">
      {PLACES.map(({ to, name, covers }) => (
        <NavLink
          key={to}
          to={to}
          end
          className={({ isActive }) =>
            cn(
              'rounded-control px-3 py-2 font-medium',
              isActive || isWithin(pathname, covers)
                ? 'bg-sunken text-ink'
                : 'text-muted hover:bg-sunken hover:text-ink',
            )
          }
        >
          {name}
        </NavLink>
      ))}
    </nav>
  )
}

function BottomNav() {
  const { pathname } = useLocation()
  return (
    <nav
      aria-label="Main, small screens"
      className="fixed inset-x-0 bottom-0 z-40 grid grid-cols-5 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      {PLACES.map(({ to, name, icon: Icon, covers }) => (
        <NavLink
          key={to}
          to={to}
          end
          className={({ isActive }) =>
            cn(
              'flex min-h-14 flex-col items-center justify-center gap-0.5 text-[11px] font-medium',
              isActive || isWithin(pathname, covers) ? 'text-brand' : 'text-muted',
            )
          }
        >
          <Icon aria-hidden className="size-5" />
          {name}
        </NavLink>
      ))}
    </nav>
  )
}

/** Header, navigation, the page, and the hosts of dialogs and messages. */
export function Layout() {
  const { pathname } = useLocation()
  // biome-ignore lint/correctness/useExhaustiveDependencies: runs once a path
  useEffect(() => {
    window.scrollTo(0, 0)
  }, [pathname])
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        className="absolute left-2 -top-16 z-50 rounded-control bg-brand px-3 py-2 text-on-brand focus:top-2"
      >
        Skip to content
      </a>
      <header className="sticky top-0 z-40 border-b border-line bg-surface">
        <div className="mx-auto flex h-14 max-w-7xl items-center justify-between gap-2 px-3 sm:px-5">
          <div className="flex items-center gap-5">
            <Logo />
            <TopNav />
          </div>
          <div className="flex items-center gap-1 sm:gap-2">
            <NetworkBadge />
            <Bell />
            <ThemeButton />
            <AccountButton />
          </div>
        </div>
      </header>
      <main
        id="main"
        tabIndex={-1}
        className="mx-auto w-full max-w-7xl flex-1 px-3 py-6 pb-24 outline-none sm:px-5 md:pb-10"
      >
        <ErrorBoundary
          resetKeys={[pathname]}
          fallbackRender={({ error, resetErrorBoundary }) => <ErrorState error={error} onRetry={resetErrorBoundary} />}
        >
          <Suspense fallback={<SkeletonRows label="Loading the page" rows={6} />}>
            <Outlet />
          </Suspense>
        </ErrorBoundary>
      </main>
      <BottomNav />
      <ConnectDialogHost />
      <SignSheetHost />
      <Toaster />
    </div>
  )
}
