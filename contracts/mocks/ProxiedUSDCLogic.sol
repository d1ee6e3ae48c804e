// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ProxiedUSDCSignatures} from "./ProxiedUSDCSignatures.sol";

/// @title ProxiedUSDCLogic
/// @notice The code behind `ProxiedUSDC`, for measuring gas: each call touches as many words, accounts and logs as
/// native USDC does on Polygon, and computes about as much. Behaves as `MockUSDC` otherwise, of which it has what the
/// measured calls need.
///
/// @dev One word an account holds balance and blacklist flag (the highest bit); the pause flag shares the word of its
/// holder's address; the EIP-712 domain is hashed in every call with the name out of storage.
contract ProxiedUSDCLogic {
    uint256 private constant BLACKLISTED = 1 << 255;
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant TRANSFER_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
        "uint256 validBefore,bytes32 nonce)"
    );
    bytes32 private constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
        "uint256 validBefore,bytes32 nonce)"
    );

    ProxiedUSDCSignatures private immutable _SIGNATURES;

    /// @notice May mint, blacklist and pause.
    address public owner;

    /// @notice True while nothing moves.
    bool public paused;

    /// @notice Name of the token and of its EIP-712 domain.
    string public name;

    /// @notice Base units in existence.
    uint256 public totalSupply;

    mapping(address account => uint256 state) private _states;

    /// @notice What a spender may still take.
    mapping(address owner => mapping(address spender => uint256 value)) public allowance;

    /// @notice True once an ERC-3009 nonce is used.
    mapping(address authorizer => mapping(bytes32 nonce => bool used)) public authorizationState;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);

    error AlreadyInitialized();
    error CallerNotOwner(address caller);
    error CallerNotPayee(address caller);
    error EnforcedPause();
    error AccountBlacklisted(address account);
    error InsufficientBalance(address account);
    error InsufficientAllowance(address spender);
    error ZeroAddress();
    error AuthorizationNotYetValid(uint256 validAfter);
    error AuthorizationExpired(uint256 validBefore);
    error AuthorizationUsedOrCanceled(address authorizer, bytes32 nonce);
    error InvalidSignature(address expected);

    modifier onlyOwner() {
        if (msg.sender != owner) revert CallerNotOwner(msg.sender);
        _;
    }

    modifier whenNotPaused() {
        if (paused) revert EnforcedPause();
        _;
    }

    modifier notBlacklisted(address account) {
        _requireNotBlacklisted(account);
        _;
    }

    /// @param signatures Checks signatures
    constructor(ProxiedUSDCSignatures signatures) {
        _SIGNATURES = signatures;
    }

    /// @notice Sets the storage of a proxy up, once.
    function initialize(address owner_) external {
        if (owner != address(0)) revert AlreadyInitialized();
        (owner, name) = (owner_, "USD Coin");
    }

    /// @notice Gives any amount of base units to `to`. Only the owner.
    function mint(address to, uint256 amount) external onlyOwner {
        totalSupply += amount;
        _setBalance(to, _balanceOf(to) + amount);
        emit Transfer(address(0), to, amount);
    }

    /// @notice Stops an account from sending and receiving. Only the owner.
    function blacklist(address account) external onlyOwner {
        _states[account] |= BLACKLISTED;
    }

    /// @notice Stops all movements or allows them again. Only the owner.
    function setPaused(bool paused_) external onlyOwner {
        paused = paused_;
    }

    /// @notice ERC-20.
    function approve(address spender, uint256 value)
        external
        whenNotPaused
        notBlacklisted(msg.sender)
        notBlacklisted(spender)
        returns (bool)
    {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    /// @notice ERC-20.
    function transfer(address to, uint256 value)
        external
        whenNotPaused
        notBlacklisted(msg.sender)
        notBlacklisted(to)
        returns (bool)
    {
        _transfer(msg.sender, to, value);
        return true;
    }

    /// @notice ERC-20; also an allowance without limit is counted down, as USDC does.
    function transferFrom(address from, address to, uint256 value)
        external
        whenNotPaused
        notBlacklisted(msg.sender)
        notBlacklisted(from)
        notBlacklisted(to)
        returns (bool)
    {
        if (value > allowance[from][msg.sender]) revert InsufficientAllowance(msg.sender);
        _transfer(from, to, value);
        allowance[from][msg.sender] = allowance[from][msg.sender] - value;
        return true;
    }

    /// @notice ERC-3009, anyone may send it.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external whenNotPaused notBlacklisted(from) notBlacklisted(to) {
        bytes32 structHash = keccak256(abi.encode(TRANSFER_TYPEHASH, from, to, value, validAfter, validBefore, nonce));
        _authorized(from, validAfter, validBefore, nonce, structHash, abi.encodePacked(r, s, v));
        _transfer(from, to, value);
    }

    /// @notice ERC-3009, the payee sends it.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) external whenNotPaused notBlacklisted(from) notBlacklisted(to) {
        if (msg.sender != to) revert CallerNotPayee(msg.sender);
        bytes32 structHash = keccak256(abi.encode(RECEIVE_TYPEHASH, from, to, value, validAfter, validBefore, nonce));
        _authorized(from, validAfter, validBefore, nonce, structHash, signature);
        _transfer(from, to, value);
    }

    /// @notice Base units of an account.
    function balanceOf(address account) external view returns (uint256) {
        return _balanceOf(account);
    }

    /// @notice True for accounts that can neither send nor receive.
    function isBlacklisted(address account) external view returns (bool) {
        return _states[account] >= BLACKLISTED;
    }

    /// @notice EIP-712 domain separator in force.
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparator();
    }

    /// @notice Decimals of a base unit.
    function decimals() external pure returns (uint8) {
        return 6;
    }

    /// @notice Version of the EIP-712 domain.
    function version() external pure returns (string memory) {
        return "2";
    }

    function _authorized(
        address from,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes32 structHash,
        bytes memory signature
    ) private {
        if (block.timestamp <= validAfter) revert AuthorizationNotYetValid(validAfter);
        if (block.timestamp >= validBefore) revert AuthorizationExpired(validBefore);
        if (authorizationState[from][nonce]) revert AuthorizationUsedOrCanceled(from, nonce);
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", _domainSeparator(), structHash));
        if (!_SIGNATURES.isValidSignatureNow(from, digest, signature)) revert InvalidSignature(from);
        _workAsOlderCode();
        authorizationState[from][nonce] = true;
        emit AuthorizationUsed(from, nonce);
    }

    /// @dev USDC is compiled by an older compiler, whose code for an authorization needs about 1,410 gas more for the
    /// same steps. Without this, what builds on authorizations would look cheaper than it is.
    function _workAsOlderCode() private pure {
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, 34) { i := add(i, 1) } {}
        }
    }

    function _transfer(address from, address to, uint256 value) private {
        if (from == address(0) || to == address(0)) revert ZeroAddress();
        if (value > _balanceOf(from)) revert InsufficientBalance(from);
        _setBalance(from, _balanceOf(from) - value);
        _setBalance(to, _balanceOf(to) + value);
        emit Transfer(from, to, value);
    }

    function _setBalance(address account, uint256 balance) private {
        if (balance >= BLACKLISTED) revert InsufficientBalance(account);
        _requireNotBlacklisted(account);
        _states[account] = balance;
    }

    function _requireNotBlacklisted(address account) private view {
        if (_states[account] >= BLACKLISTED) revert AccountBlacklisted(account);
    }

    function _balanceOf(address account) private view returns (uint256) {
        return _states[account] & ~BLACKLISTED;
    }

    function _domainSeparator() private view returns (bytes32) {
        bytes32 nameHash = keccak256(bytes(name));
        return keccak256(abi.encode(DOMAIN_TYPEHASH, nameHash, keccak256("2"), block.chainid, address(this)));
    }
}
