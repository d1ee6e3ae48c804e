"""Why a deployment is refused. Each message is one sentence for the person who started it."""

from __future__ import annotations


class DeploymentError(Exception):
    """Nothing more was sent after this was raised."""


class WrongChainError(DeploymentError):
    """The node is on another chain than the one that was asked for."""


class UnknownNetworkError(DeploymentError):
    """The constants file does not know the chain."""


class NotUsdcError(DeploymentError):
    """The token of a public network is not native USDC."""


class AlreadyDeployedError(DeploymentError):
    """Another deployment of ours is live on this chain."""


class ConfigError(DeploymentError):
    """An account of the configuration is missing or not acceptable."""


class NodeError(DeploymentError):
    """The node does not answer, or refused a transaction."""
